import { boolean, jsonb, nodeTable, oneOf, quarantineTables, singleWriter, table, text, timestamptz } from "@hayloft/engine";
import { createdAt, nameText, outsideId, ownId, tenantId, updatedAt } from "../farm-columns.ts";
import { keepCloud, keepEverywhere, tiers } from "../tiers.ts";

const owned = {
  group: "identity",
  category: "identity",
  writers: ["cloud"],
  flow: "down",
  rule: singleWriter("cloud"),
  retain: keepEverywhere,
  lane: 0,
  scope: { tenant: "tenant_id" },
} as const;

/** Present on every tier, filled at the hub only. */
const topOnly = { ...owned, flow: "top", retain: keepCloud } as const;

// Platform administrators belong to the shared tenant. Emails are unique over all tenants, for one sign-in page.
export const users = table("users", {
  ...topOnly,
  about: "Accounts with email and password hash. They never leave the hub.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    email: text().check("{} = lower({}) and char_length({}) between 3 and 320"),
    password: text().nullable(),
    display_name: nameText(),
    status: oneOf("active", "disabled", "deleted").default("'active'"),
    created_at: createdAt(),
    updated_at: updatedAt(),
    deleted_at: timestamptz().nullable(),
  },
  unique: [{ columns: ["tenant_id", "email"] }],
});

// Maintained by the hub with each change of `users`. The verifier opens the tablet offline; it is of no use at the hub.
export const farmUsers = table("farm_users", {
  ...owned,
  about: "People as the barns know them: no email, no password.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    display_name: nameText(),
    status: oneOf("active", "disabled").default("'active'"),
    barn_ids: jsonb<readonly string[]>().default("'[]'::jsonb"),
    permissions: jsonb<readonly string[]>().default("'[]'::jsonb"),
    offline_verifier: text().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  indexes: [["tenant_id", "status"]],
});

export const roles = table("roles", {
  ...owned,
  about: "The six roles, in the shared tenant, with fixed ids.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    name: oneOf("platform_admin", "tenant_admin", "farm_manager", "house_operator", "viewer", "device_agent"),
    created_at: createdAt(),
  },
  unique: [{ columns: ["tenant_id", "name"] }],
});

// Roles live in the shared tenant and no foreign key crosses tenants: `role_id` is checked by the admin API.
export const userRoles = table("user_roles", {
  ...owned,
  about: "Who has which role.",
  columns: {
    tenant_id: tenantId(),
    user_id: ownId(),
    role_id: ownId(),
    granted_at: createdAt(),
    granted_by: text().nullable(),
  },
  primaryKey: ["tenant_id", "user_id", "role_id"],
  indexes: [["tenant_id", "role_id"]],
  references: [{ columns: ["tenant_id", "user_id"], table: "farm_users" }],
});

export const permissions = table("permissions", {
  ...topOnly,
  about: "Things that a role may allow, for example devices:write.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    name: nameText(),
    category: text(),
    description: text().nullable(),
  },
  unique: [{ columns: ["tenant_id", "name"] }],
});

export const rolePermissions = table("role_permissions", {
  ...topOnly,
  about: "What each role allows, and how far.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    role_id: ownId(),
    permission_id: ownId(),
    scope: oneOf("global", "tenant", "farm", "barn").nullable(),
  },
  unique: [{ columns: ["tenant_id", "role_id", "permission_id", "scope"], nullsNotDistinct: true }],
  indexes: [["tenant_id", "permission_id"]],
  references: [
    { columns: ["tenant_id", "role_id"], table: "roles" },
    { columns: ["tenant_id", "permission_id"], table: "permissions" },
  ],
});

export const customRoles = table("custom_roles", {
  ...topOnly,
  about: "Roles that a tenant makes from a base role of the shared tenant.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    name: nameText(),
    description: text().nullable(),
    base_role_id: ownId().nullable(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  unique: [{ columns: ["tenant_id", "name"] }],
});

// The permission is a row of the shared tenant, so only the custom role is referenced.
export const customRolePermissions = table("custom_role_permissions", {
  ...topOnly,
  about: "What a tenant's own role allows.",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    custom_role_id: ownId(),
    permission_id: ownId(),
    scope: oneOf("global", "tenant", "farm", "barn").nullable(),
  },
  unique: [{ columns: ["tenant_id", "custom_role_id", "permission_id", "scope"], nullsNotDistinct: true }],
  indexes: [["tenant_id", "permission_id"]],
  references: [{ columns: ["tenant_id", "custom_role_id"], table: "custom_roles" }],
});

export const userAttributes = table("user_attributes", {
  ...topOnly,
  about: "Further facts about an account.",
  columns: {
    tenant_id: tenantId(),
    user_id: ownId(),
    key: nameText(),
    value: text(),
    created_at: createdAt(),
    updated_at: updatedAt(),
  },
  primaryKey: ["tenant_id", "user_id", "key"],
  references: [{ columns: ["tenant_id", "user_id"], table: "users" }],
});

export const replicaNode = nodeTable(tiers);

/** Refused commits that a barn holds, as the hub sees them, and what people did with them. */
export const [replicaQuarantine, replicaQuarantineAction] = quarantineTables(tiers);

export const enrolmentTokens = table("enrolment_tokens", {
  ...topOnly,
  about: "One-time tokens with which a node is enrolled; only their hash is kept.",
  group: "sync",
  columns: {
    tenant_id: tenantId(),
    id: ownId(),
    token_hash: text(),
    name: nameText(),
    tier: oneOf("edge", "tablet"),
    role: text(),
    scopes: jsonb<Readonly<Record<string, readonly string[]>>>().default("'{}'::jsonb"),
    created_by: text().nullable(),
    created_at: createdAt(),
    expires_at: timestamptz(),
    used_at: timestamptz().nullable(),
    used_by_node: outsideId().nullable(),
    replaces_node: outsideId().nullable(),
    is_revoked: boolean().default("false"),
  },
  unique: [{ columns: ["tenant_id", "token_hash"] }],
  indexes: [["tenant_id", "expires_at"]],
});
