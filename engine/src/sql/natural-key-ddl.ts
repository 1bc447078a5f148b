import type { Table } from "../catalog/table.ts";
import { objectName, sqlName, sqlText } from "./sql-name.ts";

/** The key column that a natural key derives: the primary key's only column beside the tenant. */
export const DERIVED_COLUMN = "id";

/**
 * The row trigger that derives a natural key's `id` before every insert, applied rows included: an id that does not
 * belong to its key cannot be stored. Values go in as text under fixed settings, so that no client's settings show in it.
 */
export function naturalKeyDdl(table: Table, key: readonly string[]): string {
  const routine = `hayloft.${sqlName(objectName("derive", table.name))}`;
  const values = key.map((name) => `NEW.${sqlName(name)}::text`).join(", ");
  return `CREATE OR REPLACE FUNCTION ${routine}() RETURNS trigger LANGUAGE plpgsql
  SET timezone = 'UTC' SET datestyle = 'ISO, YMD' SET extra_float_digits = 1 AS $function$
BEGIN
  NEW.${DERIVED_COLUMN} := hayloft.derived_id(${sqlText(table.name)}, ARRAY[${values}]);
  RETURN NEW;
END
$function$;
CREATE TRIGGER hayloft_derive BEFORE INSERT ON ${sqlName(table.name)} FOR EACH ROW EXECUTE FUNCTION ${routine}();
ALTER TABLE ${sqlName(table.name)} ENABLE ALWAYS TRIGGER hayloft_derive;`;
}
