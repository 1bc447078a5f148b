import { boolean, double, integer, jsonb, oneOf, singleWriter, table, text, timestamptz } from "@hayloft/engine";
import { createdAt, freeText, nameText, outsideId, ownId, tenantId, updatedAt } from "../farm-columns.ts";
import { keepCloud, keepEverywhere } from "../tiers.ts";

// Reference data. Rows of scope GLOBAL belong to the shared tenant. No foreign key crosses tenants, so a tenant's own set
// names the species, the line and the schema of the shared tenant without one; the admin API checks them.
const owned = {
  group: "standards",
  category: "master",
  writers: ["cloud"],
  flow: "down",
  rule: singleWriter("cloud"),
  retain: keepEverywhere,
  lane: 2,
  scope: { tenant: "tenant_id" },
} as const;

const topOnly = { ...owned, flow: "top", retain: keepCloud } as const;

const dimension = () => oneOf("AGE_DAY", "AGE_WEEK", "BODY_WEIGHT_G", "PHASE", "CUSTOM");

export const speciesCatalog = table("species_catalog", {
  ...owned,
  about: "Species.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    code: outsideId(),
    name: nameText(),
    scientific_name: text().nullable(),
    is_active: boolean().default("true"),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "code"] }],
});

export const breederCompany = table("breeder_company", {
  ...owned,
  about: "Companies that breed lines.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    name: nameText(),
    country: text().nullable(),
    is_active: boolean().default("true"),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "name"] }],
});

export const geneticLineCatalog = table("genetic_line_catalog", {
  ...owned,
  about: "Genetic lines.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    breeder_company_id: ownId(),
    species_id: ownId(),
    code: outsideId().nullable(),
    name: nameText(),
    is_active: boolean().default("true"),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [
    { columns: ["tenant_id", "code"], where: "code is not null" },
    { columns: ["tenant_id", "breeder_company_id", "name"] },
  ],
  indexes: [["tenant_id", "species_id"]],
  references: [
    { columns: ["tenant_id", "breeder_company_id"], table: "breeder_company" },
    { columns: ["tenant_id", "species_id"], table: "species_catalog" },
  ],
});

export const standardSchema = table("standard_schema", {
  ...owned,
  about: "Shapes of standards: their dimension, columns and payload.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    code: outsideId(),
    display_name: nameText(),
    dim_type_default: dimension(),
    csv_columns_json: jsonb(),
    payload_schema_json: jsonb(),
    is_active: boolean().default("true"),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "code"] }],
});

export const sourceDocuments = table("source_documents", {
  ...owned,
  about: "Where a standard comes from.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    title: text().nullable(),
    doi: text().nullable(),
    url: text().nullable(),
    file_hash: text().nullable(),
    note: freeText().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
});

export const standardSets = table("standard_sets", {
  ...owned,
  about: "Sets of reference or target values.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    name: nameText(),
    set_type: oneOf("REFERENCE", "STANDARD", "TARGET"),
    unit_system: oneOf("METRIC", "IMPERIAL"),
    sex: oneOf("AS_HATCHED", "MALE", "FEMALE", "MIXED"),
    scope: oneOf("GLOBAL", "TENANT", "FARM", "HOUSE", "FLOCK"),
    farm_id: outsideId().nullable(),
    house_id: outsideId().nullable(),
    flock_id: outsideId().nullable(),
    species_id: ownId(),
    genetic_line_id: ownId().nullable(),
    standard_schema_id: ownId(),
    version_tag: text(),
    is_active: boolean().default("false"),
    derived_from_set_id: ownId().nullable(),
    adjustment_json: jsonb().nullable(),
    source_document_id: ownId().nullable(),
    day_start: integer().nullable().check("{} >= 0"),
    day_end: integer().nullable().check("{} >= 0"),
    is_daily: boolean().default("true"),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  indexes: [
    ["tenant_id", "species_id", "genetic_line_id", "standard_schema_id", "is_active", "scope"],
    ["tenant_id", "farm_id", "house_id", "flock_id"],
    ["tenant_id", "standard_schema_id"],
  ],
  checks: {
    days_in_order: "day_end is null or day_start is null or day_end >= day_start",
    scope_is_named:
      "case scope when 'FARM' then farm_id is not null when 'HOUSE' then house_id is not null when 'FLOCK' then flock_id is not null else true end",
  },
  scope: { tenant: "tenant_id", farm: "farm_id", barn: "house_id" },
});

export const standardRows = table("standard_rows", {
  ...owned,
  about: "Values of a set, by age, weight or phase.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    set_id: ownId(),
    row_key: outsideId(),
    dim_type: dimension(),
    dim_from: double(),
    dim_to: double().nullable(),
    phase: text().nullable(),
    payload_json: jsonb(),
    is_interpolated: boolean().default("false"),
    note: freeText().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "set_id", "row_key"] }],
  indexes: [["tenant_id", "set_id", "dim_type", "dim_from"]],
  references: [{ columns: ["tenant_id", "set_id"], table: "standard_sets" }],
});

export const standardRowMetrics = table("standard_row_metrics", {
  ...owned,
  about: "Single metrics of a row, for search.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    row_id: ownId(),
    metric_key: outsideId(),
    value_json: jsonb(),
    created_at: createdAt(),
  },
  unique: [{ columns: ["tenant_id", "row_id", "metric_key"] }],
  indexes: [["tenant_id", "metric_key"]],
  references: [{ columns: ["tenant_id", "row_id"], table: "standard_rows" }],
});

export const importJobs = table("import_jobs", {
  ...topOnly,
  about: "Imports of standards from files.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    set_id: ownId().nullable(),
    status: oneOf("DRAFT", "VALIDATED", "COMMITTED", "FAILED").default("'DRAFT'"),
    filename: text(),
    file_hash: text().nullable(),
    uploaded_by: text(),
    uploaded_at: timestamptz(),
    dry_run: boolean().default("true"),
    summary_json: jsonb().nullable(),
    error_json: jsonb().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  indexes: [
    ["tenant_id", "status", "uploaded_at desc"],
    ["tenant_id", "set_id"],
  ],
  references: [{ columns: ["tenant_id", "set_id"], table: "standard_sets" }],
});

export const importJobErrors = table("import_job_errors", {
  ...topOnly,
  about: "What was wrong in an imported file.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    job_id: ownId(),
    line: integer().nullable(),
    column: text().nullable(),
    message: text(),
    created_at: createdAt(),
  },
  indexes: [["tenant_id", "job_id"]],
  references: [{ columns: ["tenant_id", "job_id"], table: "import_jobs" }],
});
