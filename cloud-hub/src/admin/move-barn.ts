import type { Database } from "@hayloft/engine";
import { sqlName } from "@hayloft/engine";
import { farmCatalog } from "@hayloft/schema";
import { administer, oneRow } from "./admin-error.ts";
import { type Barn, listBarns, requireFarm } from "./places.ts";

/** The hub's own tables whose rows belong to a barn: they go where it goes. What happened in it stays with the farm of its day. */
const belongings = farmCatalog.tables.filter(
  ({ rule, flow, scope }) =>
    rule.kind === "singleWriter" && flow === "down" && scope["farm"] !== undefined && scope["barn"] !== undefined,
);

/**
 * Moves a barn to another farm of its tenant in one transaction, and with it its batches, devices, stations, allowlists, sensors and rules.
 * The edge of its old farm sends what it has of the barn and then forgets it; the edge of the new farm is filled. Throws
 * `not-found`, or `name-taken` when that farm has a barn of this name.
 */
export async function moveBarn(database: Database, tenant: string, id: string, farm: string): Promise<Barn> {
  await requireFarm(database, tenant, farm);
  await administer("barn", async () => {
    await database.transaction(async (tx) => {
      for (const { name, scope, columns } of belongings) {
        const [farmColumn, barnColumn] = [scope["farm"] ?? "", scope["barn"] ?? ""].map(sqlName);
        const stamped = "updated_at" in columns ? ", updated_at = now()" : "";
        const { rows } = await tx.query(
          `update ${sqlName(name)} set ${String(farmColumn)} = $3${stamped} where tenant_id = $1 and ${String(barnColumn)} = $2 returning 1`,
          [tenant, id, farm],
        );
        if (name === "barns") oneRow(rows, "barn", id);
      }
    });
  });
  return oneRow(
    (await listBarns(database, tenant)).filter((barn) => barn.id === id),
    "barn",
    id,
  );
}
