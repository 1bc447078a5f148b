/** sha256 of each released migration, in hex. A change here means that a database in the field differs. */
export const checksums: Readonly<Record<string, string>> = {
  "0001_initial": "eebcc69a948c7f2cbb5f5fa6466f4af06cbfc22b6b39cf9fe79088c5e4950feb",
  "0002_views": "aa5f4d45d045a7f3e5af7e7ec3af1e189430f7b870a47bb3de294bd22a9ce24a",
};
