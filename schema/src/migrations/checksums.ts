/** sha256 of each released migration, in hex. A change here means that a database in the field differs. */
export const checksums: Readonly<Record<string, string>> = {
  "0001_initial": "d6292337d66364761af72dfeb690e7341f37f8b3a34a89438775ea7889ba40c7",
  "0002_views": "aa5f4d45d045a7f3e5af7e7ec3af1e189430f7b870a47bb3de294bd22a9ce24a",
};
