import { aheadOf, SKEW_NOTED_MS } from "../clock/known-ahead.ts";
import type { Link } from "../link/link.ts";
import type { Moment } from "../session/moment.ts";
import type { LocalSide } from "../session/local-side.ts";
import { parentSession, stepParent } from "../session/parent-session.ts";
import type { ParentSession } from "../session/parent-session.ts";
import type { ErrorCode } from "../error/error-codes.ts";
import { type ComparisonPace, defaultComparisonPace, ParentComparison } from "./parent-comparison.ts";
import { Admission } from "./admission.ts";
import { HeadWatch } from "./head-watch.ts";
import { ParentLink } from "./parent-link.ts";
import type { ParentTarget } from "./parent-link.ts";
import type { PeerState } from "./peer-state.ts";
import { SessionRunner } from "./session-runner.ts";
import type { Notice } from "./session-runner.ts";
import type { NodeKey, SessionPorts } from "./session-ports.ts";
import { toHayloftError } from "./to-hayloft-error.ts";

export interface PeerNetworkOptions {
  readonly ports: SessionPorts;
  readonly local: LocalSide;
  /** The tenant of this node; null for the top, which serves many. */
  readonly tenant: string | null;
  readonly parent: ParentTarget | null;
  /** True when rows may be missing until the tail has come. */
  readonly filling?: boolean;
  /** How often rows are compared with the parent's. */
  readonly pace?: ComparisonPace;
  /** Called after a log has grown, whoever made it grow. */
  readonly onGrown: () => void;
  /** Called when commits of a tenant were acknowledged or reached the top. */
  readonly onProgress: () => void;
}

interface Child {
  readonly runner: SessionRunner<ParentSession>;
  readonly link: Link;
  key: NodeKey | null;
  /** The name of its cursors here: that of its node, unless it is a copy of it. */
  name: string;
  grant: string;
  publicKey: string | null;
  skewMs: number | null;
  connectedMs: number;
}

const tickMs = 1_000;
/** Ticks between two looks at the registry when nothing has changed in the logs. */
const registryTicks = 10;
const registryPauseMs = 250;
const drainWaitMs = 5_000;

const nameOf = ({ tenant, node }: NodeKey): string => `${tenant}/${node}`;
const nameOfChild = ({ key, name }: Child): string => `${key?.tenant ?? ""}/${name}`;

/** All sessions of a replica: the one with its parent, which it keeps trying for, and those with its children. */
export class PeerNetwork {
  readonly #options: PeerNetworkOptions;
  readonly #heads: HeadWatch;
  readonly #parent: ParentLink | null;
  readonly #comparison: ParentComparison | null;
  readonly #children = new Set<Child>();
  readonly #admission: Admission;
  readonly #byNode = new Map<string, Child>();
  #cancelTick: () => void = () => undefined;
  #ticks = 0;
  #registryBusy = false;
  #registryDue = false;
  readonly #tendDue = new Set<string>();
  /** Of the clock before the parent was met: as it was when it was last measured. */
  #aheadBeforeMs = 0;
  readonly #childPorts: SessionPorts;
  #tending: Promise<void> | null = null;
  #draining = false;
  #stopped = false;
  #onEmpty: () => void = () => undefined;

  constructor(options: PeerNetworkOptions) {
    this.#options = options;
    this.#admission = new Admission(options.local.limits);
    const { ports, local, tenant, parent } = options;
    const { timers } = ports;
    const moment = (): Moment => ({ ...timers.moment(), nowMs: timers.moment().nowMs - this.#aheadMs() });
    this.#childPorts = { ...ports, timers: { ...timers, moment } };
    this.#heads = new HeadWatch({ ports, tenants: () => this.#tenants(), onGrown: (heads) => this.#grown(heads) });
    this.#parent =
      parent === null || tenant === null
        ? null
        : new ParentLink({
            ports,
            local,
            tenant,
            target: parent,
            filling: options.filling === true,
            heads: () => this.#heads.known,
            onProgress: (of) => this.#progress(of),
          });
    const link = this.#parent;
    this.#comparison =
      link === null || parent === null || tenant === null
        ? null
        : new ParentComparison({
            ports,
            pace: options.pace ?? defaultComparisonPace,
            parent: parent.node,
            tenant,
            questions: link.questions,
            grant: () => link.grant,
          });
  }

  /** Comparisons with the parent; null for a replica without one. */
  get comparison(): ParentComparison | null {
    return this.#comparison;
  }

  get draining(): boolean {
    return this.#draining;
  }

  /** Children are told the parent's time where ours is known to be ahead of it: they would take it over, and stamp by it. */
  #aheadMs(): number {
    const skewMs = this.#parent?.skewMs ?? null;
    return skewMs === null ? this.#aheadBeforeMs : aheadOf(skewMs);
  }

  /** True while rows of a first snapshot may be missing. */
  get filling(): boolean {
    return this.#parent?.filling ?? false;
  }

  start(): void {
    void this.#options.ports
      .clockAheadMs?.()
      .then((aheadMs) => (this.#aheadBeforeMs = aheadMs))
      .catch((error: unknown) => this.#lost("note-failed", error));
    this.#heads.start();
    this.#parent?.start();
    this.#comparison?.start();
    this.#scheduleTick();
  }

  /** Looks at the logs soon: something was committed. */
  wake(): void {
    this.#heads.wake();
  }

  /** Takes over a connection from a child. */
  accept(link: Link): void {
    if (this.#draining || this.#stopped) return link.close(1012, "draining");
    const { ports, local } = this.#options;
    const strangers = [...this.#children].flatMap((other) => (other.key === null ? [other.link.address ?? null] : []));
    const crowd = { sessions: this.#children.size, strangers };
    if (this.#admission.refusal(link.address ?? null, crowd, ports.timers.moment().steadyMs) !== null) {
      return link.close(4429, "limit-reached");
    }
    const runner = new SessionRunner<ParentSession>({
      link,
      ports: this.#childPorts,
      initial: parentSession(local),
      step: stepParent,
      sharedTenant: local.sharedTenant,
      parent: null,
      unready: async () => (await this.#parent?.unready()) ?? false,
      onNotice: (notice) => this.#notice(child, notice),
      onProgress: (tenant) => this.#progress(tenant),
      onClosed: () => this.#closed(child),
    });
    const connectedMs = ports.timers.moment().nowMs;
    const child: Child = { runner, link, key: null, name: "", grant: "", publicKey: null, skewMs: null, connectedMs };
    this.#children.add(child);
    runner.start();
  }

  /** The sessions as they are now. */
  peers(): readonly PeerState[] {
    const children = [...this.#byNode.values()].flatMap(({ key, name, runner, skewMs }): PeerState[] =>
      key === null ? [] : [{ ...key, name, relation: "child", connected: true, state: runner.phase, skewMs, lastError: null }],
    );
    return this.#parent === null ? children : [this.#parent.state(), ...children];
  }

  async drain(afterMs: number): Promise<void> {
    this.#draining = true;
    await this.#endAll((child) => child.runner.dispatch({ type: "drain", afterMs }));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancelTick();
    const runners = [this.#parent?.runner ?? null, ...[...this.#children].map((child) => child.runner)];
    this.#parent?.stop();
    await this.#comparison?.stop();
    await this.#endAll((child) => child.runner.dispatch({ type: "stop", code: "draining", details: {} }));
    await this.#heads.stop();
    await this.#tending;
    // The caller may close the database next.
    await Promise.all(runners.map(async (runner) => await runner?.idle()));
  }

  async #endAll(end: (child: Child) => void): Promise<void> {
    if (this.#children.size === 0) return;
    await new Promise<void>((resolve) => {
      const cancel = this.#options.ports.timers.after(drainWaitMs, () => resolve());
      this.#onEmpty = () => {
        cancel();
        resolve();
      };
      for (const child of this.#children) end(child);
      if (this.#children.size === 0) this.#onEmpty();
    });
  }

  #tenants(): readonly string[] {
    const { local, tenant } = this.#options;
    const tenants = new Set([local.sharedTenant]);
    if (tenant !== null) tenants.add(tenant);
    for (const { key } of this.#byNode.values()) if (key !== null) tenants.add(key.tenant);
    return [...tenants];
  }

  #grown(heads: readonly { readonly tenant: string; readonly position: number }[]): void {
    const work = { type: "log-grew", heads } as const;
    const tenants = new Set(heads.map((head) => head.tenant));
    const shared = tenants.has(this.#options.local.sharedTenant);
    this.#parent?.runner?.work(work);
    for (const { key, runner } of this.#byNode.values())
      if (shared || (key !== null && tenants.has(key.tenant))) runner.work(work);
    this.#options.onGrown();
    for (const tenant of tenants) this.#tendDue.add(tenant);
    this.#tend();
    this.#checkRegistry();
  }

  /**
   * What was written here may set held commits free, or be the settling of one; and children are told what became of theirs. One
   * run at a time; what grows meanwhile is next.
   */
  #tend(): void {
    const { tendHeld } = this.#options.ports;
    if (tendHeld === undefined || this.#tending !== null || this.#tendDue.size === 0 || this.#stopped) return;
    const due = [...this.#tendDue];
    this.#tendDue.clear();
    this.#tending = Promise.all(due.map(async (tenant) => ({ tenant, ...(await tendHeld(tenant)) })))
      .then((tended) => {
        for (const { tenant, untold } of tended) if (untold) this.tellOutcomes(tenant);
      })
      .catch((error: unknown) => this.#lost("release-failed", error))
      .finally(() => {
        this.#tending = null;
        this.#tend();
      });
  }

  /** Has the children of a tenant asked what they are to be told. */
  tellOutcomes(tenant: string): void {
    for (const { key, runner } of this.#byNode.values())
      if (key?.tenant === tenant) runner.work({ type: "outcomes-due", tenant });
  }

  #progress(tenant: string): void {
    for (const { key, runner } of this.#byNode.values()) if (key?.tenant === tenant) runner.work({ type: "top-moved", tenant });
    this.#options.onProgress();
  }

  #notice(child: Child, notice: Notice): void {
    const { ports } = this.#options;
    if (notice.type === "established") this.#established(child, notice);
    else if (notice.type === "skew") this.#skewed(child, notice.skewMs);
    else if (notice.type === "ended") {
      const { code, details, by } = notice;
      ports.log({
        level: levelOf(code),
        event: "session-ended",
        peer: child.key?.node ?? null,
        details: { ...details, code, by },
        error: null,
      });
      this.#note(child, code);
    }
  }

  /** A clock that is wrong, or was set right, is noted for people at once and not at the session's end. */
  #skewed(child: Child, skewMs: number): void {
    const before = child.skewMs ?? 0;
    child.skewMs = skewMs;
    if (Math.abs(before - skewMs) >= SKEW_NOTED_MS) this.#note(child, null);
  }

  #established(child: Child, { peer: node, as, grant }: Extract<Notice, { type: "established" }>): void {
    child.key = { tenant: grant.tenant, node };
    child.name = as;
    child.grant = JSON.stringify(grant);
    const older = this.#byNode.get(nameOfChild(child));
    this.#byNode.set(nameOfChild(child), child);
    // The newest session of a node wins: the older one may hang on a connection that is long dead.
    older?.runner.dispatch({ type: "stop", code: "session-replaced", details: {} });
    child.runner.work({ type: "log-grew", heads: this.#heads.known });
    this.#options.ports.log({
      level: "info",
      event: "session-opened",
      peer: node,
      details: { tenant: grant.tenant, tier: grant.tier },
      error: null,
    });
    this.#note(child, null);
    this.#checkRegistry();
  }

  #note({ key, name, skewMs }: Child, errorCode: string | null): void {
    if (key === null) return;
    const { ports } = this.#options;
    void ports
      .notePeer({ tenant: key.tenant, node: name, relation: "child", skewMs, errorCode })
      .catch((error: unknown) => this.#lost("note-failed", error));
  }

  #lost(event: string, error: unknown): void {
    this.#options.ports.log({ level: "warn", event, peer: null, details: {}, error: toHayloftError(error, "unavailable") });
  }

  #closed(child: Child): void {
    this.#children.delete(child);
    if (this.#byNode.get(nameOfChild(child)) === child) this.#byNode.delete(nameOfChild(child));
    if (this.#children.size === 0) this.#onEmpty();
  }

  #scheduleTick(): void {
    this.#cancelTick = this.#options.ports.timers.after(tickMs, () => {
      if (this.#stopped) return;
      this.#ticks += 1;
      this.#parent?.runner?.dispatch({ type: "tick" });
      for (const child of this.#children) child.runner.dispatch({ type: "tick" });
      if (this.#ticks % registryTicks === 0) {
        this.#checkRegistry();
        for (const tenant of this.#tenants()) this.#tendDue.add(tenant);
        this.#tend();
      }
      this.#scheduleTick();
    });
  }

  /** Ends the sessions of nodes that were revoked, and restarts those whose grant has changed. Coalesced. */
  #checkRegistry(): void {
    if (this.#registryBusy) {
      this.#registryDue = true;
      return;
    }
    if (this.#byNode.size === 0 || this.#stopped) return;
    this.#registryBusy = true;
    this.#registryDue = false;
    const again = (): void => {
      this.#registryBusy = false;
      if (this.#registryDue) this.#checkRegistry();
    };
    this.#compareWithRegistry()
      .catch((error: unknown) => this.#lost("registry-failed", error))
      .finally(() => this.#options.ports.timers.after(registryPauseMs, again));
  }

  async #compareWithRegistry(): Promise<void> {
    const children = [...this.#byNode.values()];
    const keys = children.flatMap(({ key }) => key ?? []);
    const records = await this.#options.ports.registry.active(keys);
    const byName = new Map(records.map((record) => [nameOf({ tenant: record.grant.tenant, node: record.node }), record]));
    for (const child of children) {
      if (child.key === null) continue;
      const record = byName.get(nameOf(child.key));
      const publicKey = record === undefined ? null : record.publicKey.join();
      if (record === undefined || (child.publicKey !== null && child.publicKey !== publicKey)) {
        child.runner.dispatch({ type: "stop", code: "auth-revoked", details: {} });
      } else if (JSON.stringify(record.grant) !== child.grant) {
        child.runner.dispatch({ type: "drain", afterMs: 0 });
      }
      child.publicKey = publicKey;
    }
  }
}

const levelOf = (code: ErrorCode): "info" | "warn" => (code === "draining" || code === "session-timeout" ? "info" : "warn");
