import { Option } from "commander";
import type { Command } from "commander";
import { closeBatch, createBatch, listBatches } from "../admin/batches.ts";
import { createDevice, listDevices, setDeviceEnabled } from "../admin/devices.ts";
import { moveBarn } from "../admin/move-barn.ts";
import { createBarn, createFarm, createStation, listBarns, listFarms, listStations, renameBarn } from "../admin/places.ts";
import { createTenant, listTenants, setTenantStatus } from "../admin/tenants.ts";
import type { CommandContext } from "./command-context.ts";

const TENANT = "--tenant <id>";
const BARN_COLUMNS = ["tenant", "farm", "id", "name", "animal_type", "status"];
const BATCH_COLUMNS = ["tenant", "barn", "id", "species", "start_date", "end_date", "status"];
const DEVICE_COLUMNS = ["tenant", "id", "device_type", "farm", "barn", "serial_no", "status", "allowed"];

export function addTenantCommands(program: Command, context: CommandContext): void {
  const group = program.command("tenant").description("tenants: the customers of this hub");
  group
    .command("create")
    .description("create a tenant")
    .requiredOption("--name <name>", "its name")
    .option("--id <id>", "its id; default a new uuid")
    .action(async (given: { name: string; id?: string }) =>
      context.record(await context.withDatabase(async (db) => await createTenant(db, given))),
    );
  group
    .command("list")
    .description("list the tenants")
    .action(async () => context.rows(await context.withDatabase(listTenants), ["id", "name", "status", "created_at"]));
  for (const [name, status] of [
    ["suspend", "suspended"],
    ["activate", "active"],
  ] as const) {
    group
      .command(name)
      .argument("<id>", "the tenant")
      .description(name === "suspend" ? "disconnect and refuse its nodes; its data stay" : "let its nodes come back")
      .action(async (id: string) =>
        context.record(await context.withDatabase(async (db) => await setTenantStatus(db, id, status))),
      );
  }
}

export function addPlaceCommands(program: Command, context: CommandContext): void {
  const farm = program.command("farm").description("farms of a tenant");
  farm
    .command("create")
    .description("create a farm")
    .requiredOption(TENANT, "its tenant")
    .requiredOption("--name <name>", "its name, one of its kind in the tenant")
    .option("--id <id>", "its id; default a new uuid")
    .option("--location <text>", "where it is; not sent to tablets")
    .action(async (given: Parameters<typeof createFarm>[1]) =>
      context.record(await context.withDatabase(async (db) => await createFarm(db, given))),
    );
  farm
    .command("list")
    .description("list the farms of a tenant")
    .requiredOption(TENANT, "the tenant")
    .action(async (given: { tenant: string }) =>
      context.rows(await context.withDatabase(async (db) => await listFarms(db, given.tenant)), [
        "tenant",
        "id",
        "name",
        "status",
      ]),
    );
  const barn = program.command("barn").description("barns of a farm");
  barn
    .command("create")
    .description("create a barn")
    .requiredOption(TENANT, "its tenant")
    .requiredOption("--farm <id>", "its farm")
    .requiredOption("--name <name>", "its name, one of its kind in the farm")
    .option("--id <id>", "its id; default a new uuid")
    .addOption(new Option("--animal-type <type>", "what it is for").choices(["broiler", "layer", "breeder"]))
    .option("--capacity <animals>", "animals at most", wholeNumber)
    .action(async (given: Parameters<typeof createBarn>[1]) =>
      context.record(await context.withDatabase(async (db) => await createBarn(db, given))),
    );
  barn
    .command("list")
    .description("list the barns of a tenant")
    .requiredOption(TENANT, "the tenant")
    .action(async (given: { tenant: string }) =>
      context.rows(await context.withDatabase(async (db) => await listBarns(db, given.tenant)), BARN_COLUMNS),
    );
  barn
    .command("rename")
    .argument("<id>", "the barn")
    .argument("<name>", "its new name")
    .description("rename a barn; its edge shows the name in under a second")
    .requiredOption(TENANT, "its tenant")
    .action(async (id: string, name: string, given: { tenant: string }) =>
      context.record(await context.withDatabase(async (db) => await renameBarn(db, given.tenant, id, name))),
    );
  barn
    .command("move")
    .argument("<id>", "the barn")
    .description("move a barn to another farm with its devices, stations and rules; records stay with the farm of their day")
    .requiredOption(TENANT, "its tenant")
    .requiredOption("--farm <id>", "the farm it moves to")
    .action(async (id: string, given: { tenant: string; farm: string }) =>
      context.record(await context.withDatabase(async (db) => await moveBarn(db, given.tenant, id, given.farm))),
    );
}

export function addStationCommands(program: Command, context: CommandContext): void {
  const station = program.command("station").description("weighing and feeding points of a barn");
  station
    .command("create")
    .description("create a station and let it speak")
    .requiredOption(TENANT, "its tenant")
    .requiredOption("--barn <id>", "its barn")
    .requiredOption("--name <name>", "its name, one of its kind in the barn")
    .option("--id <id>", "its id as its messages say it; default a new uuid")
    .addOption(new Option("--station-type <type>", "what it does").choices(["weighing", "feeding"]).default("weighing"))
    .action(async (given: Parameters<typeof createStation>[1]) =>
      context.record(await context.withDatabase(async (db) => await createStation(db, given))),
    );
  station
    .command("list")
    .description("list the stations of a tenant")
    .requiredOption(TENANT, "the tenant")
    .action(async (given: { tenant: string }) =>
      context.rows(await context.withDatabase(async (db) => await listStations(db, given.tenant)), [
        "tenant",
        "farm",
        "barn",
        "id",
        "name",
        "station_type",
        "status",
      ]),
    );
}

export function addBatchCommands(program: Command, context: CommandContext): void {
  const batch = program.command("batch").description("batches: the animals of one cycle in a barn");
  batch
    .command("create")
    .description("start a batch")
    .requiredOption(TENANT, "its tenant")
    .requiredOption("--barn <id>", "its barn")
    .requiredOption("--species <name>", "for example chicken or duck")
    .requiredOption("--start-date <day>", "YYYY-MM-DD")
    .option("--id <id>", "its id; default a new uuid")
    .action(async (given: Parameters<typeof createBatch>[1]) =>
      context.record(await context.withDatabase(async (db) => await createBatch(db, given))),
    );
  batch
    .command("close")
    .argument("<id>", "the batch")
    .description("end an active batch")
    .requiredOption(TENANT, "its tenant")
    .requiredOption("--end-date <day>", "YYYY-MM-DD")
    .addOption(new Option("--status <status>", "how it ended").choices(["completed", "cancelled"]).default("completed"))
    .action(async (id: string, given: Omit<Parameters<typeof closeBatch>[1], "id">) =>
      context.record(await context.withDatabase(async (db) => await closeBatch(db, { ...given, id }))),
    );
  batch
    .command("list")
    .description("list the batches of a tenant")
    .requiredOption(TENANT, "the tenant")
    .action(async (given: { tenant: string }) =>
      context.rows(await context.withDatabase(async (db) => await listBatches(db, given.tenant)), BATCH_COLUMNS),
    );
}

export function addDeviceCommands(program: Command, context: CommandContext): void {
  const device = program.command("device").description("devices that may speak in the barns");
  device
    .command("create")
    .description("register a device and let it speak")
    .requiredOption(TENANT, "its tenant")
    .requiredOption("--device-type <type>", "for example sensor-gateway or weighvision")
    .option("--id <id>", "its id as its topic says it; default a new uuid")
    .option("--farm <id>", "its farm")
    .option("--barn <id>", "its barn; the farm follows from it")
    .option("--batch <id>", "the batch it serves")
    .option("--serial-no <text>", "its serial number, one of its kind in the tenant")
    .action(async (given: Parameters<typeof createDevice>[1]) =>
      context.record(await context.withDatabase(async (db) => await createDevice(db, given))),
    );
  device
    .command("list")
    .description("list the devices of a tenant")
    .requiredOption(TENANT, "the tenant")
    .action(async (given: { tenant: string }) =>
      context.rows(await context.withDatabase(async (db) => await listDevices(db, given.tenant)), DEVICE_COLUMNS),
    );
  for (const enabled of [true, false]) {
    device
      .command(enabled ? "enable" : "disable")
      .argument("<id>", "the device")
      .description(enabled ? "let it speak again" : "drop its messages at the edge, after one sync")
      .requiredOption(TENANT, "its tenant")
      .action(async (id: string, given: { tenant: string }) =>
        context.record(await context.withDatabase(async (db) => await setDeviceEnabled(db, given.tenant, id, enabled))),
      );
  }
}

function wholeNumber(text: string): number {
  return /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
}
