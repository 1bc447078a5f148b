import type { IncomingMessage } from "node:http";
import type { SqlSession } from "@hayloft/engine";
import { isGranted, provenNode, RequestChallenges } from "@hayloft/engine/blob";
import { PasswordChecker, type DeviceAccount } from "../broker/device-accounts.ts";
import { isPlainName } from "../broker/topic-access.ts";
import { loadAuthority } from "../ingress/authority.ts";
import { isLoopback } from "../settings/loopback.ts";
import type { MediaContext, Place } from "./media-context.ts";

export interface Login {
  readonly accounts: ReadonlyMap<string, DeviceAccount>;
  /** Devices without an account are let in from this machine, or from everywhere. */
  readonly anonymous: "nobody" | "this-machine" | "everywhere";
}

export type Caller =
  | { readonly kind: "device"; readonly account: DeviceAccount | null }
  | { readonly kind: "node"; readonly node: string; readonly scopes: Readonly<Record<string, readonly string[]>> };

/** Who may put images here: devices with an account, as at the broker, and tablets by their node's key. */
export class MediaAuthority {
  readonly #context: MediaContext;
  readonly #login: Login;
  readonly #passwords = new PasswordChecker();
  readonly #challenges: RequestChallenges;

  constructor(context: MediaContext, login: Login) {
    this.#context = context;
    this.#login = login;
    this.#challenges = new RequestChallenges(context.identity);
  }

  /** The header of an answer 401: a device logs in, a node signs the challenge. */
  challenge(): string {
    return this.#challenges.header(this.#context.clock.nowMs());
  }

  /** Who sends the request, or null. */
  async callerOf(request: IncomingMessage): Promise<Caller | null> {
    const header = request.headers.authorization;
    if (header === undefined) return this.#anonymous(request);
    if (header.startsWith("Basic ")) return await this.#device(header.slice(6));
    const { database, clock, tenant } = this.#context;
    const proven = await provenNode(database, this.#challenges, request, clock.nowMs());
    return proven?.tenant === tenant ? { kind: "node", node: proven.node, scopes: proven.scopes } : null;
  }

  /** True when the caller may speak for this place. A device must be in the registry's lists as well. */
  async mayUpload(session: SqlSession, caller: Caller, place: Place, station: string | null): Promise<boolean> {
    if (caller.kind === "node") return place.device_id === caller.node && isGranted(caller, placeScope(place));
    if (caller.account !== null && !isAccountOf(caller.account, place)) return false;
    const sender = { ...place, station_id: station, needsBarn: true };
    const authority = await loadAuthority(session, this.#context.tenant, [sender]);
    return authority.refusalOf(sender) === null;
  }

  #anonymous(request: IncomingMessage): Caller | null {
    const { anonymous } = this.#login;
    const here = isLoopback((request.socket.remoteAddress ?? "").replace(/^::ffff:/u, ""));
    return anonymous === "everywhere" || (anonymous === "this-machine" && here) ? { kind: "device", account: null } : null;
  }

  async #device(credentials: string): Promise<Caller | null> {
    const text = Buffer.from(credentials, "base64").toString("utf8");
    const colon = text.indexOf(":");
    const username = text.slice(0, Math.max(colon, 0));
    const account = isPlainName(username) ? this.#login.accounts.get(username) : undefined;
    if (account === undefined) return null;
    return (await this.#passwords.matches(account, Buffer.from(text.slice(colon + 1)))) ? { kind: "device", account } : null;
  }
}

const placeScope = ({ farm_id, barn_id }: Place) => ({ farm: farm_id, barn: barn_id });

const isAccountOf = (account: DeviceAccount, place: Place): boolean =>
  account.tenant_id === place.tenant_id &&
  account.farm_id === place.farm_id &&
  account.barn_id === place.barn_id &&
  account.device_ids.includes(place.device_id);
