/** What this needs of a command of the library `commander`. */
export interface KnownCommand {
  readonly commands: readonly KnownCommand[];
  readonly options: readonly { readonly long?: string | null | undefined }[];
  name(): string;
}

/** The pieces of code of a page: spans, and lines of blocks without their comments. */
export function codeOf(page: string): readonly string[] {
  const blocks = [...page.matchAll(/^```[a-z]*\n(.*?)^```/gms)].map(([, text = ""]) => text);
  const spans = [...page.replaceAll(/^```.*?^```/gms, "").matchAll(/`([^`\n]+)`/g)].map(([, text = ""]) => text);
  const lines = blocks.flatMap((block) => block.split("\n")).map((line) => line.replace(/\s#.*$/, "").replace(/^npx /, ""));
  return [...lines, ...spans].map((code) => code.trim()).filter((code) => code !== "");
}

/**
 * Holds a page's uses of a program against its commands. Returns those that exist, as `backup verify --quick`, and those that do not: a command that it
 * has not, or an option that is neither the command's nor a setting's.
 */
export function commandsOf(
  page: string,
  program: KnownCommand,
  settings: readonly string[],
): { readonly known: readonly string[]; readonly unknown: readonly string[] } {
  const flags = new Set(settings.map((key) => `--${key.replaceAll(/[._]/g, "-")}`));
  const uses = codeOf(page).filter((code) => code.startsWith(`${program.name()} `));
  const exists = (use: string): boolean => {
    const words = use.split(/\s+/).slice(1);
    let command = program;
    for (let next = command; ; command = next, words.shift()) {
      const found = command.commands.find((known) => known.name() === words[0]);
      if (found === undefined) break;
      next = found;
    }
    const isGroup = command.commands.length > 0;
    if (isGroup && /^[a-z]/.test(words[0] ?? "")) return false;
    const options = new Set(["--help", "--json", ...command.options.map(({ long }) => long)]);
    return words.every((word) => !word.startsWith("--") || options.has(word) || flags.has(word));
  };
  const unique = [...new Set(uses)];
  return { known: unique.filter(exists), unknown: unique.filter((use) => !exists(use)) };
}
