#!/usr/bin/env node
import { Command } from "commander";
import { planFarm } from "./farm-plan.ts";
import { badDay, type Faults, noFaults } from "./faults.ts";
import { startSimulatedFarm } from "./simulated-farm.ts";

interface Flags {
  readonly mqttUrl: string;
  readonly tenant: string;
  readonly farm: string;
  readonly barns: number;
  readonly gateways: number;
  readonly readingEvery: number;
  readonly sessionEvery: number;
  readonly seed: number;
  readonly badDay: boolean;
  readonly duplicate: number | undefined;
  readonly malformed: number | undefined;
  readonly late: number | undefined;
  readonly bufferDir: string | undefined;
  readonly passwordFile: string | undefined;
  readonly caFile: string | undefined;
  readonly mediaUrl: string | undefined;
  readonly seconds: number | undefined;
}

const positive = (text: string): number => {
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`${text} is not a number above zero`);
  return value;
};

const probability = (text: string): number => {
  const value = Number(text);
  if (!(value >= 0 && value <= 1)) throw new Error(`${text} is not between 0 and 1`);
  return value;
};

const program = new Command("hayloft-devices")
  .description("Publishes what the devices of one farm would: readings, weigh sessions, feed, status.")
  .requiredOption("--mqtt-url <url>", "the broker, for example mqtt://127.0.0.1:1883")
  .option("--tenant <id>", "tenant", "t-demo")
  .option("--farm <id>", "farm", "f-demo")
  .option("--barns <count>", "barns", positive, 4)
  .option("--gateways <count>", "sensor gateways in a barn", positive, 3)
  .option("--reading-every <ms>", "between two rounds of readings of a gateway", positive, 60_000)
  .option("--session-every <ms>", "between two weigh sessions of a station", positive, 120_000)
  .option("--seed <number>", "seed of all random choices", positive, 1)
  .option("--bad-day", "duplicates, damaged copies and late readings as on a bad day", false)
  .option("--duplicate <share>", "share of messages sent twice", probability)
  .option("--malformed <share>", "share of messages with a damaged copy", probability)
  .option("--late <share>", "share of readings with a time in the past", probability)
  .option("--buffer-dir <path>", "where devices keep what the broker has not acknowledged")
  .option("--password-file <path>", "password of the devices; the user name is the device id")
  .option("--ca-file <path>", "authority that signed the broker's certificate")
  .option("--media-url <url>", "the edge's HTTP address: stations bring their images there before they announce them")
  .option("--seconds <count>", "stop after this time", positive);

const faultsOf = (flags: Flags): Faults => {
  const base = flags.badDay ? badDay : { ...noFaults, lateMsMax: badDay.lateMsMax, delayMsMax: badDay.delayMsMax };
  return {
    ...base,
    duplicate: flags.duplicate ?? base.duplicate,
    malformed: flags.malformed ?? base.malformed,
    late: flags.late ?? base.late,
  };
};

const flags = program.parse().opts<Flags>();
const farm = startSimulatedFarm({
  plan: planFarm(flags.tenant, flags.farm, flags.barns, flags.gateways),
  broker: {
    url: flags.mqttUrl,
    ...(flags.passwordFile === undefined ? {} : { passwordFile: flags.passwordFile }),
    ...(flags.caFile === undefined ? {} : { caFile: flags.caFile }),
  },
  seed: flags.seed,
  faults: faultsOf(flags),
  bufferDir: flags.bufferDir ?? null,
  readingEveryMs: flags.readingEvery,
  sessionEveryMs: flags.sessionEvery,
  ...(flags.mediaUrl === undefined ? {} : { mediaUrl: flags.mediaUrl }),
});

const report = setInterval(() => {
  const { made, acknowledged, extra } = farm.ledger.summary();
  const { up, all } = farm.connected();
  console.log(
    `${new Date().toISOString()} devices ${up}/${all}, made ${made}, acknowledged ${acknowledged}, images ${farm.ledger.storedImages.size}, waiting ${farm.buffered()}, extra ${extra}`,
  );
}, 5_000);

const stop = async (): Promise<void> => {
  clearInterval(report);
  const left = await farm.stop();
  console.log(left === 0 ? "stopped, everything was acknowledged" : `stopped, ${left} messages still wait in the buffers`);
};
const stopOnce = (): void => void stop().then(() => process.exit(0));
process.once("SIGINT", stopOnce);
process.once("SIGTERM", stopOnce);
if (flags.seconds !== undefined) setTimeout(stopOnce, flags.seconds * 1_000);
