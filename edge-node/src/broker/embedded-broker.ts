import { X509Certificate, createPrivateKey } from "node:crypto";
import { readFile } from "node:fs/promises";
import { createServer as createTcpServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { HayloftError, configInvalid } from "@hayloft/engine";
import { Aedes } from "aedes";
import type { AedesOptions, Client } from "aedes";
import type { EdgeConfig } from "../settings/edge-settings.ts";
import { isLoopback } from "../settings/loopback.ts";
import { readSecret } from "../settings/read-secret.ts";
import type { DeviceAccount } from "./device-accounts.ts";
import { PasswordChecker, parseDeviceAccounts } from "./device-accounts.ts";
import type { Broker, TakeMessage } from "./mqtt-message.ts";
import { PacketSizeGuard } from "./packet-size-guard.ts";
import { isPlainName, mayPublish, maySubscribe } from "./topic-access.ts";

/** What the broker tells about its clients; ids only. */
export type BrokerEvent =
  | { readonly kind: "client-refused"; readonly clientId: string; readonly reason: string }
  | { readonly kind: "publish-denied"; readonly clientId: string; readonly topic: string }
  | { readonly kind: "connection-failed"; readonly reason: string };

export interface EmbeddedBrokerOptions {
  readonly config: EdgeConfig;
  readonly take: TakeMessage;
  readonly onEvent: (event: BrokerEvent) => void;
}

const CONNECT_TIMEOUT_MS = 10_000;
/** Room for the topic and the headers beside the largest payload. */
const PACKET_OVERHEAD_BYTES = 4096;
const BAD_CREDENTIALS = 4;

/**
 * Starts the daemon's own broker. It calls `take` before it acknowledges: the publisher's PUBACK is written only after the
 * message is dealt with for good, and when that fails the connection is cut, so that the device sends the message again. So
 * nothing ever waits in the broker's memory, and a restart loses nothing.
 */
export async function startEmbeddedBroker(options: EmbeddedBrokerOptions): Promise<Broker> {
  const { config } = options;
  const accountsFile = config["broker.accounts_file"];
  const accounts =
    accountsFile === null
      ? new Map<string, DeviceAccount>()
      : parseDeviceAccounts(await readSecret("broker.accounts_file", accountsFile));
  const aedes = await Aedes.createBroker(brokerHooks(options, accounts));
  const certificate = await readCertificate(config);
  const server = createServer(config, certificate, aedes, options.onEvent);
  server.maxConnections = config["broker.connections_max"];
  aedes.on("clientError", (client, error) => {
    // Why messages are not stored says who stores them, once and not for each of them.
    if (error instanceof NotStored) return;
    options.onEvent({ kind: "connection-failed", reason: `${client.id}: ${error.message}`.slice(0, 256) });
  });
  aedes.on("connectionError", (_client, error) => options.onEvent({ kind: "connection-failed", reason: error.message }));
  await listen(server, config["broker.host"], config["broker.port"]);
  const { port } = server.address() as AddressInfo;
  const host = config["broker.host"].includes(":") ? `[${config["broker.host"]}]` : config["broker.host"];
  return {
    url: `${config["broker.tls_cert_file"] === null ? "mqtt" : "mqtts"}://${host}:${port}`,
    certificateEndsMs: certificate?.endsMs ?? null,
    problem: () => (server.listening ? null : "the broker does not listen"),
    connections: () => aedes.connectedClients,
    close: async () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
      await closed;
    },
  };
}

/** Why a connection is cut whose message nobody could store. */
class NotStored extends Error {}

function brokerHooks(options: EmbeddedBrokerOptions, accounts: ReadonlyMap<string, DeviceAccount>): AedesOptions {
  const { config, take, onEvent } = options;
  const known = new WeakMap<Client, DeviceAccount>();
  const passwords = new PasswordChecker();
  const anonymous = config["broker.anonymous"] && (config.insecure || isLoopback(config["broker.host"]));
  return {
    connectTimeout: CONNECT_TIMEOUT_MS,
    authenticate: (client, username, password, done) => {
      const refuse = (reason: string): void => {
        onEvent({ kind: "client-refused", clientId: isPlainName(client.id) ? client.id : "(not a plain name)", reason });
        done(Object.assign(new Error("not authorized"), { returnCode: BAD_CREDENTIALS }), false);
      };
      if (!isPlainName(client.id)) return refuse("client-id");
      if (username === undefined) return anonymous ? done(null, true) : refuse("anonymous");
      const account = isPlainName(username) ? accounts.get(username) : undefined;
      if (account === undefined || password === undefined) return refuse("credentials");
      void passwords.matches(account, password).then(
        (matches) => {
          if (!matches) return refuse("credentials");
          known.set(client, account);
          return done(null, true);
        },
        () => refuse("credentials"),
      );
    },
    authorizePublish: (client, packet, done) => {
      const account = client === null ? undefined : known.get(client);
      if (account !== undefined && !mayPublish(account, packet.topic)) {
        onEvent({ kind: "publish-denied", clientId: client?.id ?? "", topic: packet.topic.slice(0, 256) });
        return done(new Error("this account may not publish there"));
      }
      if (account === undefined && !anonymous) return done(new Error("not authorized"));
      const payload = typeof packet.payload === "string" ? Buffer.from(packet.payload) : packet.payload;
      // A broker keeps a retained message for ever, so only an accepted status, one per device, may be one.
      const retain = packet.retain && packet.topic.startsWith("iot/status/");
      packet.retain = false;
      // What a client says after its end is its last will.
      const lastWill = client?.closed === true;
      return void take({ topic: packet.topic, payload, lastWill }).then(
        ({ accepted }) => {
          packet.retain = retain && accepted;
          done(null);
        },
        () => done(new NotStored("the message could not be stored")),
      );
    },
    authorizeSubscribe: (client, subscription, done) => {
      const account = known.get(client);
      // A session that outlives its connection queues in memory without end, so it may only wait for its own commands.
      const allowed = account === undefined ? anonymous && client.clean : maySubscribe(account, subscription.topic);
      done(null, allowed && !subscription.topic.startsWith("$") ? subscription : null);
    },
  };
}

interface Certificate {
  readonly cert: string;
  readonly key: string;
  readonly endsMs: number;
}

/** The broker's certificate and key, or null without TLS. Throws `config-invalid` when they cannot be read or do not fit. */
async function readCertificate(config: EdgeConfig): Promise<Certificate | null> {
  const [certFile, keyFile] = [config["broker.tls_cert_file"], config["broker.tls_key_file"]];
  if (certFile === null || keyFile === null) return null;
  const key = await readSecret("broker.tls_key_file", keyFile);
  try {
    const cert = await readFile(certFile, "utf8");
    const first = new X509Certificate(cert);
    if (first.checkPrivateKey(createPrivateKey(key))) return { cert, key, endsMs: Date.parse(first.validTo) };
  } catch (error) {
    throw configInvalid([`broker.tls_cert_file: ${certFile} and its key cannot be read as PEM`], error);
  }
  throw configInvalid(["broker.tls_key_file: is not the key of broker.tls_cert_file"]);
}

function createServer(
  config: EdgeConfig,
  certificate: Certificate | null,
  aedes: Aedes,
  onEvent: (event: BrokerEvent) => void,
): Server {
  const bytesMax = config["ingress.message_bytes_max"] + PACKET_OVERHEAD_BYTES;
  const connected = (socket: Socket): void => {
    guardPacketSize(socket, bytesMax, () =>
      onEvent({ kind: "connection-failed", reason: `a packet is above ${bytesMax} bytes` }),
    );
    socket.setNoDelay(true);
    aedes.handle(socket);
  };
  if (certificate === null) return createTcpServer(connected);
  const { cert, key } = certificate;
  const server = createTlsServer({ cert, key, minVersion: "TLSv1.2" }, connected);
  server.on("tlsClientError", (error) => onEvent({ kind: "connection-failed", reason: `tls: ${error.message}` }));
  return server;
}

/** Cuts the connection as soon as a packet declares more than `bytesMax`; the parser behind it would buffer 256 MiB. */
function guardPacketSize(socket: Socket, bytesMax: number, onTooLarge: () => void): void {
  const guard = new PacketSizeGuard(bytesMax);
  const read = socket.read.bind(socket);
  socket.read = (size?: number): unknown => {
    const chunk: unknown = read(size);
    if (!(chunk instanceof Uint8Array) || guard.accepts(chunk)) return chunk;
    onTooLarge();
    socket.destroy();
    return null;
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: Error): void =>
      reject(
        new HayloftError("config-invalid", { problem: `broker.host and broker.port: cannot listen on ${host}:${port}` }, error),
      );
    server.once("error", failed);
    server.listen(port, host, () => {
      server.removeListener("error", failed);
      resolve();
    });
  });
}
