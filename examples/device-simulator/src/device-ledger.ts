/** What the devices made and what the broker acknowledged: the record, outside the system, that a test reconciles with. */
export class DeviceLedger {
  readonly #made = new Map<string, number>();
  readonly #acknowledged = new Map<string, Set<string>>();
  readonly #images = new Set<string>();
  #errors = 0;
  #extra = 0;

  countMade(topic: string): void {
    const kind = kindOf(topic);
    this.#made.set(kind, (this.#made.get(kind) ?? 0) + 1);
  }

  countAcknowledged(topic: string, eventId: string): void {
    const kind = kindOf(topic);
    const ids = this.#acknowledged.get(kind) ?? new Set();
    ids.add(eventId);
    this.#acknowledged.set(kind, ids);
  }

  /** The edge has said that it has all of an image. */
  countImage(mediaId: string): void {
    this.#images.add(mediaId);
  }

  /** The ids of images that the edge has said to have. */
  get storedImages(): ReadonlySet<string> {
    return this.#images;
  }

  countError(): void {
    this.#errors += 1;
  }

  /** A duplicate or damaged copy was sent on purpose. */
  countExtra(): void {
    this.#extra += 1;
  }

  /** Event ids that the broker acknowledged, for a kind such as `telemetry` or `weighvision.weight.recorded`. */
  acknowledgedIds(kind: string): ReadonlySet<string> {
    return this.#acknowledged.get(kind) ?? new Set();
  }

  summary(): { readonly made: number; readonly acknowledged: number; readonly errors: number; readonly extra: number } {
    const sum = (values: Iterable<number>): number => [...values].reduce((total, value) => total + value, 0);
    return {
      made: sum(this.#made.values()),
      acknowledged: sum([...this.#acknowledged.values()].map((ids) => ids.size)),
      errors: this.#errors,
      extra: this.#extra,
    };
  }
}

/** `telemetry`, or the event type for other topics. */
const kindOf = (topic: string): string => {
  const segments = topic.split("/");
  return segments[1] === "telemetry" ? "telemetry" : (segments.at(-1) ?? "");
};
