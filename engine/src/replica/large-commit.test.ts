import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, expect, it } from "vitest";
import { createIdentity } from "../identity/node-identity.ts";
import type { Database } from "../store/database.ts";
import { freshPostgres } from "../testing/fresh-postgres.ts";
import { CuttingProxy } from "./testing/cutting-proxy.ts";
import { enrol, eventually, Harbour, tenant } from "./testing/harbour.ts";

const ROWS = 300_000;
const MEBIBYTE = 1_048_576;

let harbour = new Harbour();
afterEach(async () => {
  await harbour.close();
  harbour = new Harbour();
});

const countOf = async (database: Database): Promise<number> =>
  (await database.query<{ n: number }>("select count(*)::int as n from sighting")).rows[0]?.n ?? 0;

interface Staged {
  readonly parts: number;
  readonly first: string | null;
}

const stagedAt = async (database: Database): Promise<Staged> =>
  (
    await database.query<Staged>(
      "select count(*)::int as parts, min(staged_at) filter (where index = 0)::text as first from hayloft.staged",
    )
  ).rows[0] ?? { parts: 0, first: null };

setFlagsFromString("--expose-gc");
const collectGarbage = runInNewContext("gc") as () => void;

/** Bytes that are alive in this process, which runs both replicas. */
function aliveBytes(): number {
  collectGarbage();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

/** The most that is alive at any moment that is looked at, until `stop`. */
function watchMemory(): { stop(): number } {
  let most = 0;
  let timer: NodeJS.Timeout | null = null;
  const look = (): void => {
    const startMs = performance.now();
    most = Math.max(most, aliveBytes());
    // Collecting a large heap takes long: it must not be what the process does most of the time.
    timer = setTimeout(look, Math.max(150, 4 * (performance.now() - startMs)));
  };
  look();
  return {
    stop: () => {
      if (timer !== null) clearTimeout(timer);
      return most;
    },
  };
}

it(
  "O6 O15 a commit of 300,000 rows crosses a link that breaks: seen whole or not at all, its parts once, in bounded memory",
  { timeout: 240_000 },
  async () => {
    const top = await harbour.fresh("cloud");
    const { replica: hub, identity } = await harbour.hub(top);
    const edgeIdentity = createIdentity({ tier: "edge", tenant });
    await enrol(hub, edgeIdentity);
    const { port } = await harbour.serve(hub);
    const proxy = await CuttingProxy.open(port);
    harbour.onClose(async () => await proxy.close());
    const box = await harbour.fresh("edge", freshPostgres);
    const parent = { url: proxy.url, node: identity.nodeId, publicKey: identity.publicKey };
    const edge = await harbour.open(box, edgeIdentity, { parent });
    await eventually(
      async () => await edge.status(),
      ({ peers }) => peers[0]?.connected === true,
    );

    proxy.blockAfter(MEBIBYTE);
    const before = aliveBytes();
    const memory = watchMemory();
    await box.query(
      `insert into sighting (tenant_id, id, ship_id, what, count)
      select $1, gen_random_uuid(), null, 'whale ' || n || ' ' || gen_random_uuid(), n from generate_series(1, ${String(ROWS)}) n`,
      [tenant],
    );
    const cut = await eventually(
      async () => ({ cuts: proxy.cuts, ...(await stagedAt(top)) }),
      ({ cuts, parts }) => cuts > 0 && parts > 1,
      60_000,
    );
    expect(await countOf(top)).toBe(0);
    const again = edge.close().then(async () => {
      proxy.blocked = false;
      proxy.cutAfter(null);
      return await harbour.open(box, edgeIdentity, { parent });
    });
    const seen = new Set<number>();
    let first = cut.first;
    await eventually(
      async () => {
        const staged = await stagedAt(top);
        // The part that was there before the link broke was not sent again.
        if (staged.first !== null) ({ first } = staged);
        const count = await countOf(top);
        seen.add(count);
        return count;
      },
      (count) => count === ROWS,
      180_000,
    );
    await again;
    const grown = memory.stop() - before;
    expect([...seen].toSorted((left, right) => left - right)).toEqual([0, ROWS]);
    expect(first).toBe(cut.first);
    expect(await stagedAt(top)).toEqual({ parts: 0, first: null });
    // The rows take about 55 MiB in the log, and several times that as objects.
    expect(grown / MEBIBYTE).toBeLessThan(40);
  },
);
