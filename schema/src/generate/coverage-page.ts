/** A group of requirements: id and what must hold. */
export interface RequirementGroup {
  readonly title: string;
  readonly requirements: Readonly<Record<string, string>>;
}

export interface TestFile {
  /** Path from the root of the repository, with slashes. */
  readonly path: string;
  readonly text: string;
}

interface NamedTest {
  readonly path: string;
  readonly title: string;
}

/** More tests of one requirement than this are counted and not listed. */
const listedMax = 5;

const literal = /"((?:[^"\\\n]|\\.)*)"|'((?:[^'\\\n]|\\.)*)'|`((?:[^`\\]|\\.)*)`/g;
// `D1` and its kin also name levels of durability, so they count only at the start of a title.
const anywhere = /\b(?:S\d+\.\d+|[PTF]-[A-Z]\d+)\b/g;
const atStart = /^(?:(?:S\d+\.\d+|[PTF]-[A-Z]\d+)[ ,]+)*(D\d+)\b/;

/** A test of the replaced system's defect n, `T-Cn`, is a test of the requirement `P-Cn`. */
const requirementOf = (id: string): string => id.replace(/^T-C/, "P-C");

function idsIn(title: string): readonly string[] {
  const found = [...(title.match(anywhere) ?? []), ...(atStart.exec(title)?.slice(1) ?? [])];
  return [...new Set(found.map(requirementOf))];
}

/** Which tests name which requirement. A title that is an id alone is a row of a table of cases. */
export function testsById(files: readonly TestFile[]): ReadonlyMap<string, readonly NamedTest[]> {
  const found = new Map<string, NamedTest[]>();
  for (const { path, text } of files) {
    const code = text.replaceAll(/^\s*(?:\/\/|\*|\/\*).*$/gm, "");
    for (const match of code.matchAll(literal)) {
      const title = match[1] ?? match[2] ?? match[3] ?? "";
      for (const id of idsIn(title)) {
        const known = found.get(id) ?? [];
        if (!known.some((test) => test.path === path && test.title === title)) known.push({ path, title });
        found.set(id, known);
      }
    }
  }
  return found;
}

const escaped = (text: string): string => text.replaceAll("|", "\\|").replaceAll("\n", " ").replaceAll("<", "&lt;");

function testText(test: NamedTest, id: string): string {
  const words = test.title.trim();
  return words === id ? `\`${test.path}\`: one of its cases` : `\`${test.path}\`: ${escaped(words)}`;
}

function cell(id: string, tests: readonly NamedTest[]): string {
  if (tests.length === 0) return "**not yet**";
  const listed = tests.slice(0, listedMax).map((test) => testText(test, id));
  const more = tests.length - listed.length;
  return [...listed, ...(more > 0 ? [`and ${more} more`] : [])].join("<br>");
}

/** The page `docs/seed-coverage.md`: every requirement with the tests that name it. */
export function coveragePage(groups: readonly RequirementGroup[], files: readonly TestFile[]): string {
  const tests = testsById([...files].sort((left, right) => (left.path < right.path ? -1 : 1)));
  const all = groups.flatMap((group) => Object.keys(group.requirements));
  const covered = all.filter((id) => tests.has(id)).length;
  const sections = groups.map((group) =>
    [
      `## ${group.title}`,
      "",
      "| Id | Must hold | Tests that name it |",
      "|---|---|---|",
      ...Object.entries(group.requirements).map(
        ([id, text]) => `| ${id} | ${escaped(text)} | ${cell(id, tests.get(id) ?? [])} |`,
      ),
      "",
    ].join("\n"),
  );
  return [
    "# Requirements and their tests",
    "",
    "Generated from `docs/requirements.json` and the names of all tests by `npm run coverage:seed -w schema`; with `-- --check` the",
    "command fails when this page is stale. A test is listed when its name holds the id; what it proves is in the test.",
    "",
    `${covered} of ${all.length} requirements are named by a test.`,
    "",
    ...sections,
  ].join("\n");
}
