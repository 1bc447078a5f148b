/** Nodes whose operations a delete names, the latest first: far more than write to one row, and far below what a peer takes in `$seen`. */
const NODES_MAX = 500;

/**
 * What a delete had seen of a row: beside the stamps of its columns, per node the greatest stamp among the operations on its columns with memory,
 * under the node's id. Of two operations the column's stamp names only the later.
 */
export const seenOperationsDdl = `
CREATE OR REPLACE FUNCTION hayloft.column_stamps(_stamps jsonb) RETURNS jsonb LANGUAGE sql IMMUTABLE PARALLEL SAFE SET search_path = pg_catalog AS $function$
  SELECT jsonb_object_agg(e.key, e.value) FROM (
    SELECT s.key, s.value FROM jsonb_each(_stamps) AS s WHERE left(s.key, 1) <> '$' OR s.key = '$row'
    UNION ALL
    SELECT n.node, jsonb_build_array(n.stamp::text, n.node) FROM (
      SELECT o.node, max(o.stamp) AS stamp FROM (
        SELECT s.key AS node, s.value::bigint AS stamp FROM jsonb_each_text(coalesce(_stamps -> '$seen', '{}')) AS s
        UNION ALL
        SELECT op.item ->> 1, (op.item ->> 0)::bigint FROM jsonb_each(coalesce(_stamps -> '$memory', '{}')) AS m
          CROSS JOIN LATERAL jsonb_array_elements(coalesce(m.value -> 'ops', '[]')) AS op (item)) AS o
      WHERE o.node <> '' GROUP BY o.node ORDER BY stamp DESC LIMIT ${String(NODES_MAX)}) AS n) AS e
$function$;
`;
