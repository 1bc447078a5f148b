import {
  appendOnly,
  column,
  date,
  jsonb,
  integer,
  naturalKey,
  numeric,
  oneOf,
  singleWriter,
  table,
  text,
  timestamptz,
} from "@hayloft/engine";
import {
  celsius,
  correctable,
  createdAt,
  naturalId,
  kg,
  ml,
  nameText,
  note,
  noteText,
  outsideId,
  ownId,
  pct,
  ppm,
  sameRule,
  tenantId,
  updatedAt,
  voidCheck,
  voidColumns,
} from "../farm-columns.ts";
import { keepEverywhere, keepWindow } from "../tiers.ts";

const barnScope = { tenant: "tenant_id", farm: "farm_id", barn: "barn_id" } as const;

const toFarm = { columns: ["tenant_id", "farm_id"], table: "farms" };
const toBarn = { columns: ["tenant_id", "barn_id"], table: "barns" };
const toBatch = { columns: ["tenant_id", "batch_id"], table: "batches" };

/** What is to be done in a barn on a day. Items are told apart by their id. */
export interface BarnChecklist {
  readonly items: readonly { readonly id: string; readonly text: string; readonly done: boolean }[];
}

// What people write down in a barn: the first thing to arrive everywhere, and never deleted, only voided.
// `created_by_user_id` has no foreign key: a record stays when its author's account goes.
const record = {
  group: "records",
  category: "record",
  writers: ["cloud", "edge", "tablet"],
  flow: "both",
  scope: barnScope,
  lane: 0,
} as const;

const event = {
  ...record,
  rule: appendOnly({ columns: correctable }),
  retain: keepWindow("occurred_at", 180, 120),
  checks: voidCheck,
} as const;

const eventColumns = () => ({
  tenant_id: tenantId(),
  id: ownId(),
  farm_id: outsideId(),
  barn_id: outsideId(),
  occurred_at: timestamptz(),
  notes: noteText(),
  created_by_user_id: ownId().nullable(),
  external_ref: outsideId().nullable(),
  event_id: outsideId().nullable(),
  created_at: createdAt(),
  ...voidColumns(),
});

const uniqueRefs = [
  { columns: ["tenant_id", "external_ref"], where: "external_ref is not null" },
  { columns: ["tenant_id", "event_id"], where: "event_id is not null" },
];

const baseIndexes = [
  ["tenant_id", "occurred_at desc"],
  ["tenant_id", "farm_id", "occurred_at"],
  ["tenant_id", "barn_id", "occurred_at"],
  ["tenant_id", "created_at desc"],
];
const batchIndexes = [...baseIndexes, ["tenant_id", "batch_id", "occurred_at"]];

const placed = { unique: uniqueRefs, references: [toFarm, toBarn, toBatch] };
const batchId = () => outsideId().nullable();
const animalCount = () => integer().check("{} >= 0");
const wholeNumber = () => integer().nullable().check("{} >= 0");
const doseMl = () => ml().nullable().check("{} >= 0");
const score = () => integer().nullable().check("{} between 0 and 5");
const route = () => oneOf("IM", "SC", "oral").nullable();

export const barnMortalityEvent = table("barn_mortality_event", {
  ...event,
  ...placed,
  about: "Animals found dead.",
  columns: {
    ...eventColumns(),
    batch_id: batchId(),
    cause_code: outsideId().nullable(),
    animal_count: animalCount(),
    disposal_method: text().nullable(),
  },
  indexes: [...batchIndexes, ["tenant_id", "cause_code"], ["tenant_id", "created_by_user_id"]],
});

export const barnCullEvent = table("barn_cull_event", {
  ...event,
  ...placed,
  about: "Animals taken out.",
  columns: { ...eventColumns(), batch_id: batchId(), reason_code: outsideId().nullable(), animal_count: animalCount() },
  indexes: [...batchIndexes, ["tenant_id", "reason_code"], ["tenant_id", "created_by_user_id"]],
});

export const barnMorbidityEvent = table("barn_morbidity_event", {
  ...event,
  ...placed,
  about: "Animals found ill.",
  columns: {
    ...eventColumns(),
    batch_id: batchId(),
    disease_code: outsideId().nullable(),
    severity: oneOf("low", "medium", "high").nullable(),
    animal_count: animalCount(),
  },
  indexes: [...batchIndexes, ["tenant_id", "disease_code"], ["tenant_id", "created_by_user_id"]],
});

export const barnVaccineEvent = table("barn_vaccine_event", {
  ...event,
  ...placed,
  about: "Vaccinations.",
  columns: {
    ...eventColumns(),
    batch_id: batchId(),
    vaccine_name: nameText(),
    dose_ml: doseMl(),
    route: route(),
    administered_by: text().nullable(),
    animal_count: animalCount(),
  },
  indexes: [...batchIndexes, ["tenant_id", "vaccine_name"]],
});

// The withdrawal time keeps medicine out of food. Who corrects it must be named (migration 0003), and of values that two people
// wrote without knowing of each other the longest holds until a person decides: decision 0031.
export const barnTreatmentEvent = table("barn_treatment_event", {
  ...event,
  ...placed,
  about: "Treatments, with the days that must pass before slaughter.",
  rule: appendOnly({ columns: { ...correctable, withdrawal_days: column.review({ show: "max" }) } }),
  columns: {
    ...eventColumns(),
    batch_id: batchId(),
    treatment_name: nameText(),
    dose_ml: doseMl(),
    route: route(),
    duration_days: wholeNumber(),
    animal_count: animalCount(),
    withdrawal_days: wholeNumber(),
  },
  indexes: [...batchIndexes, ["tenant_id", "treatment_name"]],
});

export const barnWelfareCheck = table("barn_welfare_check", {
  ...event,
  ...placed,
  about: "Scores of how the animals fare.",
  columns: {
    ...eventColumns(),
    batch_id: batchId(),
    gait_score: score(),
    lesion_score: score(),
    behavior_score: score(),
    observer: text().nullable(),
  },
  indexes: batchIndexes,
});

export const barnHousingCondition = table("barn_housing_condition", {
  ...event,
  about: "Air, bedding and density, as a person measured them.",
  columns: {
    ...eventColumns(),
    stocking_density: numeric(8, 2).nullable().check("{} >= 0"),
    bedding_type: text().nullable(),
    ventilation_mode: text().nullable(),
    temperature_c: celsius().nullable(),
    humidity_pct: pct().nullable().check("{} between 0 and 100"),
    ammonia_ppm: ppm().nullable().check("{} >= 0"),
  },
  unique: uniqueRefs,
  references: [toFarm, toBarn],
  indexes: baseIndexes,
});

// One row per barn and day, wherever it was entered: its id follows from barn and date, so two tablets that enter the
// same day offline make one row. Where their figures differ both are kept for review. Until a person decides the count that was written
// last shows, and of the losses the greater: who entered none may just not have known.
export const barnDailyCount = table("barn_daily_count", {
  ...record,
  about: "The number of animals in a barn on a day.",
  columns: {
    tenant_id: tenantId(),
    id: naturalId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    batch_id: batchId(),
    record_date: date(),
    animal_count: animalCount(),
    average_weight_kg: kg().nullable().check("{} >= 0"),
    mortality_count: integer().default("0").check("{} >= 0"),
    cull_count: integer().default("0").check("{} >= 0"),
    notes: noteText(),
    external_ref: outsideId().nullable(),
    created_by_user_id: ownId().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [
    { columns: ["tenant_id", "barn_id", "record_date"] },
    { columns: ["tenant_id", "external_ref"], where: "external_ref is not null" },
  ],
  indexes: [
    ["tenant_id", "record_date"],
    ["tenant_id", "farm_id", "record_date"],
    ["tenant_id", "batch_id", "record_date"],
    ["tenant_id", "created_at desc"],
  ],
  references: [toFarm, toBarn, toBatch],
  rule: naturalKey(["tenant_id", "barn_id", "record_date"], {
    columns: {
      ...sameRule(column.review({ show: "last" }), "animal_count", "average_weight_kg"),
      ...sameRule(column.review({ show: "max" }), "mortality_count", "cull_count"),
      notes: note(),
      updated_at: column.max(),
    },
  }),
  retain: keepWindow("record_date", 180, 120),
});

export const barnLogPage = table("barn_log_page", {
  ...record,
  about: "The page of a day in a barn's log book, and its checklist.",
  columns: {
    tenant_id: tenantId(),
    id: naturalId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    record_date: date(),
    notes: noteText(),
    checklist: jsonb<BarnChecklist>().nullable(),
    created_at: createdAt(),
  },
  unique: [{ columns: ["tenant_id", "barn_id", "record_date"] }],
  indexes: [
    ["tenant_id", "record_date"],
    ["tenant_id", "farm_id", "record_date"],
  ],
  references: [toFarm, toBarn],
  rule: naturalKey(["tenant_id", "barn_id", "record_date"], {
    columns: { notes: note(), checklist: column.document({ kind: "json", bytesMax: 32_768 }) },
  }),
  retain: keepWindow("record_date", 180, 120),
});

// Standard sets may be rows of the shared tenant, so the four targets carry no foreign key.
export const barnGeneticProfile = table("barn_genetic_profile", {
  ...record,
  about: "Breed and targets of a batch.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    farm_id: outsideId(),
    barn_id: outsideId(),
    batch_id: outsideId(),
    species_code: text().default("'chicken'"),
    genetic_line_code: text().nullable(),
    growth_target_set_id: ownId().nullable(),
    env_target_set_id: ownId().nullable(),
    lighting_target_set_id: ownId().nullable(),
    ventilation_target_set_id: ownId().nullable(),
    strain: text().nullable(),
    breed_line: text().nullable(),
    supplier: text().nullable(),
    hatch_date: date().nullable(),
    external_ref: outsideId().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "batch_id"] }, { columns: ["tenant_id", "external_ref"], where: "external_ref is not null" }],
  indexes: [
    ["tenant_id", "farm_id"],
    ["tenant_id", "barn_id"],
    ["tenant_id", "created_at desc"],
  ],
  references: [toFarm, toBarn, toBatch],
  writers: ["cloud"],
  flow: "down",
  rule: singleWriter("cloud"),
  retain: keepEverywhere,
});
