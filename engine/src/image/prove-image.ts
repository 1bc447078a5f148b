import type { Catalog } from "../catalog/catalog.ts";
import { isReplicated } from "../catalog/table-facts.ts";
import { HayloftError } from "../error/hayloft-error.ts";
import { unownedNode } from "../migrate/migrate.ts";
import { rowPlan } from "../merge/row-plan.ts";
import type { Grant } from "../replica/replica-storage.ts";
import { readGrantText } from "../scope/grant-text.ts";
import { visibleSql } from "../scope/visible-sql.ts";
import { sqlName } from "../sql/sql-name.ts";
import type { Database, SqlParameter } from "../store/database.ts";
import type { ImageManifest } from "./image-manifest.ts";

/** Who takes an image, and from whom. */
export interface ImageTaker {
  readonly catalog: Catalog;
  readonly node: string;
  readonly parent: string;
  readonly tenant: string;
}

/**
 * Holds an image that was opened against what its manifest says and what this node may have: it belongs to nobody, has the parent as its only
 * peer, stands where it says, and has no row of another tenant or beyond the grant that it was made for. Throws `image-invalid`.
 */
export async function proveImage(database: Database, image: ImageManifest, taker: ImageTaker): Promise<void> {
  const { rows } = await database.query<{ owner: string; own: number; strangers: number }>(
    `select (select node_id::text from hayloft.replica) as owner,
      (select count(*) from hayloft.head where seq > 0) as own,
      (select count(*) from hayloft.peer where node_id <> $1::uuid or relation <> 'parent' or granted is distinct from $2 and tenant_id = $3) as strangers`,
    [taker.parent, image.granted, taker.tenant],
  );
  const [found] = rows;
  // Owned by this node: it was killed between taking possession and noting that.
  if (found?.owner === taker.node) return;
  if (found?.owner !== unownedNode || found.own > 0 || found.strangers > 0)
    throw new HayloftError("image-invalid", { reason: "it belongs to another node" });
  await proveCursors(database, image);
  await proveTenants(database, taker);
  await proveGrant(database, taker, readGrantText(image.granted));
}

async function proveCursors(database: Database, { cursors }: ImageManifest): Promise<void> {
  const { rows } = await database.query<{ tenant: string; incarnation: string; position: number }>(
    `select tenant_id as tenant, received_incarnation::text as incarnation, received_position as position from hayloft.peer
    where received_position is not null order by tenant_id`,
  );
  const textOf = (list: typeof rows): string =>
    JSON.stringify(list.map(({ tenant, incarnation, position }) => `${tenant} ${incarnation} ${String(position)}`).toSorted());
  if (textOf(rows) !== textOf(cursors))
    throw new HayloftError("image-invalid", { reason: "it is from another time than its manifest" });
}

async function proveTenants(database: Database, { catalog, tenant }: ImageTaker): Promise<void> {
  const looks = catalog.tables.filter(isReplicated).map(({ name, scope }) => {
    const column = sqlName(scope.tenant);
    return `select '${name}' as name where exists (select from ${sqlName(name)} where ${column} <> $1 and ${column} <> $2)`;
  });
  const { rows } = await database.query<{ name: string }>(looks.join(" union all "), [tenant, catalog.sharedTenant]);
  refuseRows(
    "rows of another tenant",
    rows.map(({ name }) => name),
  );
}

/** The rows are those that pages under this grant would bring: within its scopes, referring to nothing outside, of tables that its tier holds. */
async function proveGrant(database: Database, { catalog, tenant }: ImageTaker, grant: Grant): Promise<void> {
  const plans = new Map(catalog.tables.filter(isReplicated).map((table) => [table.name, rowPlan(table)]));
  const beyond: string[] = [];
  for (const [name, plan] of plans) {
    const parameters: SqlParameter[] = [tenant];
    const isHeld = plan.table.retain[grant.tier] !== undefined;
    const visible = isHeld ? visibleSql(plans, plan, "t", grant, parameters) : " and false";
    if (visible === "") continue;
    const strange = `select from ${sqlName(name)} as t where t.${sqlName(plan.tenantColumn)} = $1 and not (true${visible})`;
    const { rows } = await database.query<{ found: boolean }>(`select exists (${strange}) as found`, parameters);
    if (rows[0]?.found === true) beyond.push(name);
  }
  refuseRows("rows beyond its grant", beyond);
}

function refuseRows(reason: string, tables: readonly string[]): void {
  if (tables.length > 0) throw new HayloftError("image-invalid", { reason, tables: tables.join(", ") });
}
