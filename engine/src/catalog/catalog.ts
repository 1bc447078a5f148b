import type { CatalogVersion } from "./history.ts";
import type { Columns, Table } from "./table.ts";

export interface CatalogOptions<Tables extends readonly Table[]> {
  /** Names the application, for example `farm`. A peer with another name is refused. */
  readonly name: string;
  /** Grows by one with every migration. */
  readonly version: number;
  /** The oldest version that a peer may have. `history` must reach down to it. */
  readonly oldestVersion: number;
  /**
   * What each version changed, oldest first, up to `version`. The engine bridges versions with it; keep entries below
   * `oldestVersion` too, so that what was written long ago and never sent is still understood. Default: nothing.
   */
  readonly history?: readonly CatalogVersion[];
  /** From the top down, for example cloud, edge, tablet. The first has no parent. */
  readonly tiers: readonly string[];
  /** Scope dimensions below the tenant, widest first, for example farm, barn. */
  readonly scopes: readonly string[];
  /** Rows of this tenant are read by all tenants and written by the top tier only. */
  readonly sharedTenant: string;
  readonly tables: Tables;
}

export interface Catalog<Tables extends readonly Table[] = readonly Table[]> extends CatalogOptions<Tables> {
  readonly history: readonly CatalogVersion[];
  readonly byName: ReadonlyMap<string, Table>;
}

/** Builds a catalog. Call `lintCatalog` (a test of every application does) to hold it to the architecture's rules. */
export function catalog<const Tables extends readonly Table[]>(options: CatalogOptions<Tables>): Catalog<Tables> {
  return { ...options, history: options.history ?? [], byName: new Map(options.tables.map((item) => [item.name, item])) };
}

type RowOf<Cols extends Columns> = { -readonly [Name in keyof Cols]: Cols[Name]["rowType"] };

/** The Kysely database type of a catalog: one entry per table, inferred from its columns. */
export type RowsOf<Of extends Catalog> = {
  [Item in Of["tables"][number] as Item["name"]]: RowOf<Item["columns"]>;
};
