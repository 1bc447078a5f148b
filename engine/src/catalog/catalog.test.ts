import { expect, expectTypeOf, it } from "vitest";
import type { Insertable, Selectable, Updateable } from "kysely";
import { sampleCatalog } from "../sql/sample-catalog.ts";
import { catalogHash } from "./catalog-hash.ts";
import { catalog } from "./catalog.ts";
import type { RowsOf } from "./catalog.ts";
import type { table } from "./table.ts";

type Rows = RowsOf<typeof sampleCatalog>;

it("S0.2 RowsOf infers Kysely's row types from the columns", () => {
  expectTypeOf<keyof Rows>().toEqualTypeOf<
    "farm" | "reading" | "note" | "daily_count" | "device_status" | "total" | "inbox" | "account"
  >();
  expectTypeOf<Selectable<Rows["reading"]>>().toEqualTypeOf<{
    tenant_id: string;
    id: string;
    farm_id: string;
    device_id: string;
    value: string;
    raw: number | null;
    tags: unknown;
    occurred_at: Date;
    day: string | null;
    count: number;
  }>();
  expectTypeOf<Selectable<Rows["note"]>["status"]>().toEqualTypeOf<"open" | "held" | "closed" | "void">();
  // Nullable and defaulted columns may be left out of an insert, others not.
  expectTypeOf<Pick<Insertable<Rows["note"]>, "title" | "body" | "status" | "seen_at">>().toEqualTypeOf<{
    title: string;
    body?: string | null | undefined;
    status?: "open" | "held" | "closed" | "void" | undefined;
    seen_at?: Date | string | null | undefined;
  }>();
  expectTypeOf<{ tenant_id: string; id: string; farm_id: string }>().not.toExtend<Insertable<Rows["note"]>>();
  expectTypeOf<Updateable<Rows["note"]>["words"]>().toEqualTypeOf<number | null | undefined>();
  expect(sampleCatalog.byName.get("note")?.columns["status"]?.allowed).toEqual(["open", "held", "closed", "void"]);
});

it("catalogHash changes with the declaration, and not with its prose or the order of the tables", () => {
  const hash = catalogHash(sampleCatalog);
  const [first, ...rest] = sampleCatalog.tables;
  const also = (tables: typeof sampleCatalog.tables | readonly ReturnType<typeof table>[]): Uint8Array =>
    catalogHash(catalog({ ...sampleCatalog, tables }));
  expect(hash).toHaveLength(32);
  expect(also([...rest, first])).toEqual(hash);
  expect(also([{ ...first, about: "Other words.", group: "other" }, ...rest])).toEqual(hash);
  expect(also([{ ...first, lane: 3 }, ...rest])).not.toEqual(hash);
  const reversed = Object.fromEntries(Object.entries(first.columns).toReversed());
  expect(also([{ ...first, columns: reversed }, ...rest])).not.toEqual(hash);
  expect(catalogHash(catalog({ ...sampleCatalog, version: 2 }))).not.toEqual(hash);
});
