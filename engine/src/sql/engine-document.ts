/**
 * What a write did to a document, for its operation: found in SQL, because plain SQL writes documents. Both functions give what the
 * document rule reads (`merge/document/document-op.ts`).
 */
export const engineDocument = `
-- The one piece of a text that was replaced, between the common start and the common end of both texts, and 32 characters around it.
CREATE FUNCTION hayloft.text_op(_before text, _after text) RETURNS jsonb LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog AS $function$
DECLARE
  _old text COLLATE "C" := coalesce(_before, '');
  _new text COLLATE "C" := coalesce(_after, '');
  _shorter integer := least(length(_old), length(_new));
  _start integer := 0;
  _end integer := 0;
  _low integer := 0;
  _high integer := _shorter;
  _middle integer;
BEGIN
  WHILE _low < _high LOOP
    _middle := (_low + _high + 1) / 2;
    IF left(_old, _middle) = left(_new, _middle) THEN _low := _middle; ELSE _high := _middle - 1; END IF;
  END LOOP;
  _start := _low;
  _low := 0;
  _high := _shorter - _start;
  WHILE _low < _high LOOP
    _middle := (_low + _high + 1) / 2;
    IF right(_old, _middle) = right(_new, _middle) THEN _low := _middle; ELSE _high := _middle - 1; END IF;
  END LOOP;
  _end := _low;
  RETURN jsonb_strip_nulls(jsonb_build_object('at', _start,
    'before', nullif(right(left(_old, _start), 32), ''),
    'cut', nullif(substr(_old, _start + 1, length(_old) - _start - _end), ''),
    'put', nullif(substr(_new, _start + 1, length(_new) - _start - _end), ''),
    'after', nullif(left(right(_old, _end), 32), ''),
    'none', CASE WHEN _after IS NULL THEN true END));
END
$function$;

-- The values that differ, each under its path of object keys; lists and what is deeper than 16 keys are one value.
CREATE FUNCTION hayloft.json_op(_before jsonb, _after jsonb, _path jsonb DEFAULT '[]') RETURNS jsonb LANGUAGE plpgsql IMMUTABLE
  SET search_path = pg_catalog AS $function$
DECLARE
  _key text;
  _changes jsonb := '[]';
BEGIN
  IF _before::text IS NOT DISTINCT FROM _after::text THEN
    RETURN _changes;
  END IF;
  IF jsonb_typeof(_before) = 'object' AND jsonb_typeof(_after) = 'object' AND jsonb_array_length(_path) < 16 THEN
    FOR _key IN SELECT k.name COLLATE "C" FROM (SELECT jsonb_object_keys(_before) AS name UNION SELECT jsonb_object_keys(_after)) AS k ORDER BY 1 LOOP
      _changes := _changes || hayloft.json_op(_before -> _key, _after -> _key, _path || to_jsonb(_key));
    END LOOP;
    RETURN _changes;
  END IF;
  RETURN jsonb_build_array(jsonb_strip_nulls(jsonb_build_object('path', _path, 'cut', _before::text, 'put', _after::text)));
END
$function$;
`;
