/** sha256 of each released migration, in hex. A change here means that a database in the field differs. */
export const checksums: Readonly<Record<string, string>> = {
  "0001_initial": "4e55e60e04c2c03065a96755fca97f78c7aaece0233a8598c4601f70aefa7683",
  "0002_views": "aa5f4d45d045a7f3e5af7e7ec3af1e189430f7b870a47bb3de294bd22a9ce24a",
  "0003_people_decide": "e0141bd99504d4f3c552f31cebf425637e7974893f095424197257f33fb1121d",
};
