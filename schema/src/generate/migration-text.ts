import type { Catalog, Migration } from "@hayloft/engine";
import { catalogDdl, sha256 } from "@hayloft/engine";

/** The source of `migrations/0001-initial.ts`: the DDL of the catalog as a migration. */
export function initialMigrationSource(catalog: Catalog): string {
  const sql = catalogDdl(catalog).replaceAll("\\", "\\\\").replaceAll("`", "\\`").replaceAll("${", "\\${");
  return `import type { Migration } from "@hayloft/engine";

// Generated from the catalog by \`npm run generate:migration -w schema\`. Never changed after a release.
export const initial: Migration = {
  name: "0001_initial",
  sql: \`
${sql}\`,
};
`;
}

const hex = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

/** The source of `migrations/checksums.ts`. */
export function checksumsSource(migrations: readonly Migration[]): string {
  const lines = migrations.map(({ name, sql }) => `  "${name}": "${hex(sha256(sql))}",`);
  return `/** sha256 of each released migration, in hex. A change here means that a database in the field differs. */
export const checksums: Readonly<Record<string, string>> = {
${lines.join("\n")}
};
`;
}
