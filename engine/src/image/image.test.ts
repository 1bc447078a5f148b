import { truncateSync } from "node:fs";
import { mkdir, mkdtemp, open as openFile, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { gunzip } from "node:zlib";
import { afterAll, beforeAll, expect, it, vi } from "vitest";
import { BARN, pullDown, pushUp, TENANT, TestReplica } from "../apply/test-replica.ts";
import { catalogDdl } from "../sql/catalog-ddl.ts";
import { sampleFarm } from "../apply/sample-farm.ts";
import type { HayloftError } from "../error/hayloft-error.ts";
import { newId } from "../identity/new-id.ts";
import { createIdentity, type KeyIdentity } from "../identity/node-identity.ts";
import { fillImage, type ImageSource } from "./fill-image.ts";
import { pruneLog } from "../log/prune-log.ts";
import { migrate, unownedNode } from "../migrate/migrate.ts";
import type { Grant } from "../replica/replica-storage.ts";
import { SqlReplicaStorage } from "../replica/sql-replica-storage.ts";
import { grantText } from "../scope/grant-text.ts";
import type { Database, SqlParameter } from "../store/database.ts";
import { openPgliteDatabase } from "../store/pglite/open-pglite-database.ts";
import { freshPglite } from "../testing/fresh-pglite.ts";
import { freshPostgres } from "../testing/fresh-postgres.ts";
import { tempDir } from "../testing/temp-dir.ts";
import type { ImageParent } from "./fetch-image.ts";
import { imageAge } from "./image-age.ts";
import { imageKey, imageKind } from "./image-kind.ts";
import { type ImageManifest, signManifest } from "./image-manifest.ts";
import { ImageShelf } from "./image-shelf.ts";
import { makeImage } from "./make-image.ts";
import { openWithImage } from "./open-with-image.ts";
import { type ImageTaker, proveImage } from "./prove-image.ts";
import { isEmptyStore, takeImage } from "./take-image.ts";
import { TestImageServer } from "./test-image-server.ts";

vi.setConfig({ testTimeout: 120_000, hookTimeout: 120_000 });

const of = { catalog: sampleFarm, migrations: [{ name: "0001_initial", sql: catalogDdl(sampleFarm) }] };
const NOTE = "insert into note (tenant_id, id, barn_id, title) values ('t1', $1, $2, $3)";
const SHARED = ["entry", "note", "session", "daily_count", "device_status", "barn"];
const grantOf = (scopes: Grant["scopes"]): Grant => ({ tenant: TENANT, tier: "edge", role: "", scopes });
const ofBarn = grantOf({ barn: ["b1"] });

let cloud: TestReplica;
let cloudIdentity: KeyIdentity;
let shelf: ImageShelf;
let shelfDirectory: string;
let server: TestImageServer;
let url: URL;
let node: KeyIdentity;
let image: ImageManifest;

const register = async (identity: KeyIdentity, scopes: Grant["scopes"]): Promise<void> => {
  await cloud.sql(
    "insert into replica_node (tenant_id, id, name, tier, role, public_key, scopes) values ('t1', $1, 'edge', 'edge', 'node', $2, $3::jsonb)",
    [identity.nodeId, Buffer.from(identity.publicKey).toString("base64url"), JSON.stringify(scopes)],
  );
};

const newNode = async (scopes: Grant["scopes"]): Promise<KeyIdentity> => {
  const identity = createIdentity({ tier: "edge", tenant: TENANT });
  await register(identity, scopes);
  return identity;
};

const sourceOf = (): ImageSource => ({ node: cloud.nodeId, storage: cloud.storage, signal: new AbortController().signal });

const make = async (grant: Grant): Promise<ImageManifest> => {
  const draft = await shelf.draft("0".repeat(64));
  if (draft === null) throw new Error("somebody makes it");
  const { scratch, file } = draft;
  const { manifest, signed } = await makeImage({
    ...of,
    grant,
    source: sourceOf(),
    identity: cloudIdentity,
    scratch,
    file,
    nowMs: Date.now(),
  });
  await shelf.put(file, manifest, signed);
  await draft.release();
  return manifest;
};

beforeAll(async () => {
  cloudIdentity = createIdentity({ tier: "cloud", tenant: null });
  cloud = await TestReplica.open(freshPostgres, "cloud", { nodeId: cloudIdentity.nodeId });
  for (const barn of ["b1", "b2"]) {
    await cloud.sql(BARN, [barn, barn]);
    for (let number = 0; number < 20; number += 1) await cloud.sql(NOTE, [newId(), barn, `${barn} ${String(number)}`]);
  }
  await cloud.sql("insert into daily_count (tenant_id, barn_id, day, animals) values ('t1', 'b1', '2026-01-01', 7)");
  await cloud.sql("delete from note where title = 'b1 3'");
  shelfDirectory = await mkdtemp(path.join(tmpdir(), "hayloft-shelf-"));
  shelf = new ImageShelf(shelfDirectory, { node: cloudIdentity.nodeId, publicKey: cloudIdentity.publicKey });
  server = new TestImageServer(cloud.database, cloudIdentity, shelf);
  url = await server.listen();
  node = await newNode(ofBarn.scopes);
  image = await make(ofBarn);
});
afterAll(async () => {
  await server.close();
  await cloud.close();
  await rm(shelfDirectory, { recursive: true, force: true });
});

const parentOf = (identity: KeyIdentity): ImageParent => ({
  url,
  identity,
  tenant: TENANT,
  node: cloud.nodeId,
  publicKey: cloudIdentity.publicKey,
});

const take = async (dataDir: string, parent: ImageParent, bytesMax = 2 ** 32): Promise<ImageManifest> => {
  const wish = { kind: imageKind(sampleFarm, of.migrations), tier: "edge", bytesMax, signal: AbortSignal.timeout(60_000) };
  return await takeImage(dataDir, parent, wish);
};

/** Opens a store as a node's daemon does; `refused` says why an image was of no use. */
async function openStore(
  dataDir: string,
  identity: KeyIdentity,
): Promise<{ readonly database: Database; readonly fromImage: boolean; readonly refused: readonly string[] }> {
  const refused: string[] = [];
  const opened = await openWithImage({
    ...of,
    dataDir,
    open: async () => await openPgliteDatabase({ dataDir, durable: false }),
    tier: "edge",
    parent: parentOf(identity),
    bytesMax: 2 ** 32,
    waitMs: 60_000,
    onRefused: ({ code }: HayloftError) => refused.push(code),
  });
  return { ...opened, refused };
}

const replicaOn = async (database: Database, { nodeId }: KeyIdentity): Promise<TestReplica> =>
  await TestReplica.open(async () => await Promise.resolve(database), "edge", { nodeId });

const otherBytes = { code: "image-invalid", details: { reason: "its bytes are others than were signed" } };

const incarnationOf = async (replica: TestReplica): Promise<unknown> =>
  (await replica.sql("select incarnation from hayloft.head where tenant_id = 't1'"))[0]?.["incarnation"];

it("F-A9 an empty store begins as the parent's image of its grant, over a broken download, and the tail brings what came since", async () => {
  const [one, other] = [await tempDir(), await tempDir()];
  await cloud.sql(NOTE, [newId(), "b1", "written since"]);
  await cloud.sql("update note set title = 'changed since' where title = 'b1 5'");
  expect(await imageAge(cloud.database, image)).toEqual({ followable: true, tailRows: 2 });
  server.ranges.length = 0;
  server.cutAfterBytes = image.sizeBytes / 2;
  const opened = await openStore(one, node);
  expect(opened).toMatchObject({ fromImage: true, refused: [] });
  expect(server.ranges).toEqual([undefined, expect.stringMatching(/^bytes=[1-9]\d*-$/u)]);
  expect((await readdir(one)).filter((name) => !name.startsWith("lock"))).toEqual(["pg_control.kept", "pgdata"]);
  const edge = await replicaOn(opened.database, node);
  expect(await edge.sql("select node_id from hayloft.replica")).toEqual([{ node_id: node.nodeId }]);
  expect(await edge.sql("select barn_id, count(*) as count from note group by 1")).toEqual([{ barn_id: "b1", count: 19 }]);
  const counts = ["quarantine", "staged", "outcome", "loss", "eviction", "incarnation", "recovery"].map(
    (table) => `(select count(*) from hayloft.${table})`,
  );
  expect(await edge.sql(`select ${counts.join(" + ")} as rows, (select count(*) from pg_database) as databases`)).toEqual([
    { rows: 0, databases: 1 },
  ]);
  // Also the log of the shared tenant, of which no page had a row, goes on behind what is in it.
  expect(await edge.sql("select tenant_id, position, filled_position from hayloft.head order by tenant_id")).toEqual(
    ["shared", TENANT].map((tenant) => ({ tenant_id: tenant, position: 1, filled_position: 1 })),
  );
  await pullDown(edge, cloud, ofBarn);
  expect((await edge.sql("select title from note where title like '%since' order by title")).map(({ title }) => title)).toEqual([
    "changed since",
    "written since",
  ]);
  const whole = await replicaOn(await freshPglite(), createIdentity({ tier: "edge", tenant: TENANT }));
  await fillPages(whole);
  expect(await edge.digest(SHARED)).toEqual(await whole.digest(SHARED));
  expect(await edge.sql("select * from hayloft.row_state order by table_name, row_key")).toEqual(
    await whole.sql("select * from hayloft.row_state order by table_name, row_key"),
  );
  await whole.close();

  // A second node from the same file writes under another name.
  const second = await newNode(ofBarn.scopes);
  const twin = await replicaOn((await openStore(other, second)).database, second);
  expect(await incarnationOf(twin)).not.toEqual(await incarnationOf(edge));
  for (const [replica, title] of [
    [edge, "of the first"],
    [twin, "of the second"],
  ] as const) {
    await replica.sql(NOTE, [newId(), "b1", title]);
    expect(await pushUp(replica, cloud, ofBarn)).toMatchObject({ outcomes: [] });
  }
  expect(await cloud.sql("select count(*) as count from note where title like 'of the %'")).toEqual([{ count: 2 }]);
  await edge.close();
  // It is a store like any other now: opened again, it asks nobody.
  server.ranges.length = 0;
  const again = await openStore(one, node);
  expect(again).toMatchObject({ fromImage: false, refused: [] });
  expect(server.ranges).toEqual([]);
  await Promise.all([again.database.close(), twin.close()]);
});

/** A snapshot page by page, and its tail. */
async function fillPages(child: TestReplica): Promise<void> {
  const target = child.storage;
  await fillImage(
    { node: cloud.nodeId, storage: cloud.storage, signal: new AbortController().signal },
    target,
    sampleFarm,
    ofBarn,
  );
}

it("holds the rows of its grant, and no byte of any other row", async () => {
  const bytes = await promisify(gunzip)(await readFile(path.join(shelfDirectory, `${image.sha256}.image`)));
  expect([bytes.includes("b2 7"), bytes.includes("b1 7")]).toEqual([false, true]);
});

it("goes on where it was killed, and what turns out to be of no use gives way to an empty store", async () => {
  const directory = await tempDir();
  const bytes = await readFile(path.join(shelfDirectory, `${image.sha256}.image`));
  // Killed in the middle of the download, and once before in the middle of unpacking.
  await writeFile(path.join(directory, `image.${image.sha256}.part`), bytes.subarray(0, 100_000));
  await writeFile(path.join(directory, `image.${"0".repeat(64)}.part`), "the beginning of an older one");
  await mkdir(path.join(directory, "pgdata.image", "base"), { recursive: true });
  server.ranges.length = 0;
  await take(directory, parentOf(node));
  expect(server.ranges).toEqual(["bytes=100000-"]);
  // Killed before it was opened; and its files were damaged meanwhile.
  truncateSync(path.join(directory, "pgdata", "global", "pg_control"), 100);
  const opened = await openStore(directory, node);
  expect(opened).toMatchObject({ fromImage: false, refused: ["store-damaged"] });
  expect((await opened.database.query("select to_regclass('note') as there")).rows).toEqual([{ there: null }]);
  await opened.database.close();
});

it("is held against its manifest and this node's tenant before it is this node's", async () => {
  const database = await freshPglite();
  await migrate(database, { ...of, nodeId: unownedNode, tier: "edge" });
  const storage = new SqlReplicaStorage({ database, catalog: sampleFarm, nodeId: unownedNode, tier: "edge", hasParent: true });
  const cursors = await fillImage(sourceOf(), storage, sampleFarm, ofBarn);
  const manifest = { ...image, cursors };
  const taker = { catalog: sampleFarm, node: node.nodeId, parent: cloud.nodeId, tenant: TENANT };
  await proveImage(database, manifest, taker);
  const refused = async (more: Partial<ImageManifest>, by: Partial<ImageTaker> = {}): Promise<void> => {
    await expect(proveImage(database, { ...manifest, ...more }, { ...taker, ...by })).rejects.toMatchObject({
      code: "image-invalid",
    });
  };
  await refused({ granted: grantText(grantOf({})) });
  await refused({ cursors: cursors.map((cursor) => ({ ...cursor, position: cursor.position - 1 })) });
  await refused({}, { parent: newId() });
  await refused({}, { tenant: "t2" });
  await database.query("update hayloft.replica set node_id = $1::uuid", [newId()]);
  await refused({});
  await database.query("update hayloft.replica set node_id = $1::uuid", [unownedNode]);
  await proveImage(database, manifest, taker);
  const strange = async (reason: string, tables: string, ...sql: readonly string[]): Promise<void> => {
    const undone = new Error("undone");
    const work = database.transaction(async (tx) => {
      await tx.query("select set_config('hayloft.applying', 'on', true)");
      for (const statement of sql) await tx.query(statement);
      const within = {
        ...database,
        query: async (text: string, values?: readonly SqlParameter[]) => await tx.query(text, values),
      };
      const proof = proveImage(within as Database, manifest, taker);
      await expect(proof).rejects.toMatchObject({ code: "image-invalid", details: { reason, tables } });
      throw undone;
    });
    await expect(work).rejects.toBe(undone);
  };
  const barnOf = (tenant: string, id: string): string =>
    `insert into barn (tenant_id, id, name, location) values ('${tenant}', '${id}', 'x', 'south')`;
  const noteIn = (id: string): string =>
    `insert into note (tenant_id, id, barn_id, title) values ('t1', '${newId()}', '${id}', 'x')`;
  await strange("rows of another tenant", "barn", barnOf("t2", "theirs"));
  await strange("rows beyond its grant", "barn", barnOf("t1", "b2"));
  await strange("rows beyond its grant", "note, barn", barnOf("t1", "b2"), noteIn("b2"));
  await proveImage(database, manifest, taker);
  await database.close();
});

it("goes from disk to disk: neither side holds more than a few chunks of it", async () => {
  const [sizeBytes, granted] = [96 * 1024 * 1024, grantText(grantOf({}))];
  const sha256 = "a".repeat(64);
  const manifest = { ...image, granted, sizeBytes, sha256, key: imageKey(imageKind(sampleFarm, of.migrations), granted) };
  const draft = await shelf.draft(manifest.key);
  if (draft === null) throw new Error("somebody makes it");
  await writeFile(draft.file, "");
  truncateSync(draft.file, sizeBytes);
  await shelf.put(draft.file, manifest, signManifest(cloudIdentity, manifest));
  await draft.release();
  const whole = await newNode({});
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, process.memoryUsage().arrayBuffers - before);
  }, 2);
  // No such bytes were signed, which shows when all of them have come.
  await expect(take(await tempDir(), parentOf(whole))).rejects.toMatchObject(otherBytes);
  clearInterval(watch);
  expect(most).toBeLessThan(sizeBytes / 2);
  await cloud.sql("update replica_node set status = 'revoked' where id = $1", [whole.nodeId]);
  await shelf.tidy(({ manifest: { key } }) => key === image.key, { imagesMax: 10, bytesMax: 2 ** 40 }, 0);
  await rm(path.join(shelfDirectory, `${sha256}.image`));
});

it("is given to an enrolled node of exactly its grant, and taken when it is what the parent signed", async () => {
  const directory = await tempDir();
  const refused = async (parent: ImageParent, code: string, bytesMax?: number): Promise<void> => {
    await expect(take(directory, parent, bytesMax)).rejects.toMatchObject({ code });
    expect(await isEmptyStore(directory)).toBe(true);
  };
  const [elsewhere, everywhere, revoked] = [await newNode({ barn: ["b2"] }), await newNode({}), await newNode(ofBarn.scopes)];
  await cloud.sql("update replica_node set status = 'revoked' where id = $1", [revoked.nodeId]);
  await refused(parentOf(elsewhere), "not-found");
  await refused(parentOf(everywhere), "not-found");
  await refused(parentOf(revoked), "auth-failed");
  await refused(parentOf(createIdentity({ tier: "edge", tenant: TENANT })), "auth-failed");
  await refused({ ...parentOf(node), identity: { nodeId: node.nodeId, sign: (bytes) => elsewhere.sign(bytes) } }, "auth-failed");
  await refused({ ...parentOf(node), publicKey: elsewhere.publicKey }, "image-invalid");
  await refused({ ...parentOf(node), node: elsewhere.nodeId }, "image-invalid");
  await refused(parentOf(node), "image-invalid", image.sizeBytes - 1);
  // Signed by the parent, and said to be for this node, but made for somebody else.
  const place = path.join(shelfDirectory, `${image.key}.json`);
  const signed = await readFile(place);
  for (const granted of [{ ...ofBarn, tenant: "t2" }, { ...ofBarn, tier: "tablet" }, grantOf({})].map(grantText)) {
    await writeFile(place, JSON.stringify(signManifest(cloudIdentity, { ...image, granted })));
    await refused(parentOf(node), "image-invalid");
  }
  await writeFile(place, signed);
  const file = path.join(shelfDirectory, `${image.sha256}.image`);
  const whole = await readFile(file);
  const handle = await openFile(file, "r+");
  await handle.write(Buffer.from([(whole[5_000] ?? 0) ^ 1]), 0, 1, 5_000);
  await handle.close();
  await expect(take(directory, parentOf(node))).rejects.toMatchObject(otherBytes);
  expect((await readdir(directory)).filter((name) => name.endsWith(".part"))).toEqual([]);
  truncateSync(file, 5_000);
  await refused(parentOf(node), "not-found");
  await writeFile(file, whole);
  // Its tail is gone: nobody could go on from it.
  const horizon = { olderThanMs: -60_000, childAbsentMs: -120_000, nowMs: Date.now(), hasParent: false };
  await pruneLog(cloud.database, cloud.catalog, horizon);
  await refused(parentOf(node), "not-found");
});
