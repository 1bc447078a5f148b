/** A line of the view that changes while a stage runs. */
export interface Gauge {
  readonly label: string;
  readonly text: string;
  /** 0 to 1 draws a bar; null draws none. */
  readonly share: number | null;
}

interface Stage {
  readonly title: string;
  readonly startedMs: number;
  state: "running" | "done" | "failed";
  result: string;
  endedMs: number;
}

const BAR_WIDTH = 28;
const bar = (share: number): string => {
  const filled = Math.round(BAR_WIDTH * Math.min(1, Math.max(0, share)));
  return `${"█".repeat(filled)}${"░".repeat(BAR_WIDTH - filled)} ${String(Math.round(100 * share)).padStart(3)} %`;
};
const seconds = (ms: number): string => `${(ms / 1_000).toFixed(1)} s`;

/**
 * Shows the stages of the demo and the gauges below them. On a terminal the picture is redrawn in place; elsewhere every
 * stage writes a line when it starts and one when it ends, and the gauges one every two seconds.
 */
export class LiveView {
  readonly #stages: Stage[] = [];
  readonly #out: NodeJS.WriteStream;
  #gauges: readonly Gauge[] = [];
  #drawnLines = 0;
  #timer: NodeJS.Timeout | null = null;
  #lastPlain = 0;

  constructor(out: NodeJS.WriteStream = process.stdout) {
    this.#out = out;
  }

  /** Runs `work` as a stage; what it returns is shown as the stage's result. */
  async stage(title: string, work: () => Promise<string>): Promise<void> {
    const stage: Stage = { title, startedMs: Date.now(), state: "running", result: "", endedMs: 0 };
    this.#stages.push(stage);
    this.#plain(`… ${title}`);
    this.#timer ??= setInterval(() => this.#draw(), 100);
    try {
      stage.result = await work();
      stage.state = "done";
    } catch (error) {
      stage.state = "failed";
      stage.result = error instanceof Error ? error.message : String(error);
      throw error;
    } finally {
      stage.endedMs = Date.now();
      this.#plain(
        `${stage.state === "done" ? "✓" : "✗"} ${title}: ${stage.result} (${seconds(stage.endedMs - stage.startedMs)})`,
      );
      this.#draw();
    }
  }

  show(gauges: readonly Gauge[]): void {
    this.#gauges = gauges;
    if (this.#out.isTTY || Date.now() - this.#lastPlain < 2_000) return;
    this.#lastPlain = Date.now();
    this.#plain(`    ${gauges.map(({ label, text }) => `${label} ${text}`).join(" · ")}`);
  }

  /** Draws a last time and leaves the picture where it is; does nothing when it has ended. */
  end(): void {
    if (this.#timer === null) return;
    clearInterval(this.#timer);
    this.#timer = null;
    this.#gauges = [];
    this.#draw();
    this.#drawnLines = 0;
  }

  #plain(line: string): void {
    if (!this.#out.isTTY) this.#out.write(`${line}\n`);
  }

  #draw(): void {
    if (!this.#out.isTTY) return;
    const width = Math.max(40, (this.#out.columns ?? 100) - 1);
    const lines = [...this.#stages.map(stageLine), "", ...this.#gauges.map(gaugeLine)].map((line) => line.slice(0, width));
    const up = this.#drawnLines > 0 ? `\u001b[${this.#drawnLines}A` : "";
    this.#out.write(`${up}${lines.map((line) => `\u001b[2K${line}\n`).join("")}\u001b[0J`);
    this.#drawnLines = lines.length;
  }
}

const stageLine = (stage: Stage): string => {
  const mark = { running: "▸", done: "✓", failed: "✗" }[stage.state];
  const elapsed = seconds((stage.state === "running" ? Date.now() : stage.endedMs) - stage.startedMs);
  return `${mark} ${stage.title.padEnd(52)} ${elapsed.padStart(7)}  ${stage.result}`;
};

const gaugeLine = ({ label, text, share }: Gauge): string =>
  `   ${label.padEnd(26)} ${text.padEnd(24)} ${share === null ? "" : bar(share)}`;
