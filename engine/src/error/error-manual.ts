import { errorCodes } from "./error-codes.ts";
import type { Retry } from "./hayloft-error.ts";

const retries: Readonly<Record<Retry, string>> = {
  never: "Trying again changes nothing until somebody acts.",
  backoff: "The same call may succeed later; the engine tries its own work again by itself, with growing pauses.",
  resync: "The engine repairs it by itself: the stream starts again from the last position that both sides agree on.",
};

/** The text of `docs/errors.md`: every error code with what happened, what to do and whether trying again helps. */
export function errorManual(): string {
  const codes = Object.entries(errorCodes).map(
    ([code, { what, todo, retry }]) =>
      `## ${code}\n\n**What happened.** ${what}\n\n**What to do.** ${todo}\n\n**Retry.** \`${retry}\`\n`,
  );
  const kinds = Object.entries(retries).map(([retry, meaning]) => `| \`${retry}\` | ${meaning} |`);
  return `<!-- Generated from engine/src/error/error-codes.ts by \`node tools/write-error-manual.js\`. Do not edit. -->

# Errors

Every error that Hayloft throws, logs or sends to a peer is a \`HayloftError\` with one of these codes. Callers branch on
\`code\` and \`retry\`, never on the message. \`details\` holds identifiers and limits, never row values or secrets; \`cause\` holds
the error underneath, on this machine only.

| Retry | Meaning |
|---|---|
${kinds.join("\n")}

${codes.join("\n")}`;
}
