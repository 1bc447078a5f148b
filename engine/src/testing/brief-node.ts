/**
 * Flags of Node for programs that a test starts and soon ends or kills: PGlite is compiled, but not optimised beside the work, which
 * takes twice the processor time of the work itself (an opening and 300 inserts: 1.1 s instead of 2.9 s).
 */
export const BRIEF_NODE: readonly string[] = ["--liftoff-only"];
