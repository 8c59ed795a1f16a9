-- A tenant is known here by its schema's name. That is text and no foreign key: the table of tenants belongs to the
-- migration registry, and an application's tables must not hold on to it.
CREATE TABLE subscriptions (
    tenant_schema text        NOT NULL,
    plan_code     text        NOT NULL DEFAULT 'trial',
    trial_ends_at timestamptz,
    created_at    timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT subscriptions_pkey PRIMARY KEY (tenant_schema),
    CONSTRAINT subscriptions_plan_code_fkey
        FOREIGN KEY (plan_code) REFERENCES plans (code) ON UPDATE CASCADE ON DELETE RESTRICT,
    CONSTRAINT subscriptions_tenant_schema_check
        CHECK (tenant_schema ~ '^[a-z_][a-z0-9_]{0,62}$' AND tenant_schema !~ '^pg_')
);

CREATE INDEX subscriptions_plan_code_idx ON subscriptions (plan_code);

-- The plan is the tenant's, not the member's, so it stands in subscriptions once.
-- ON UPDATE CASCADE: renaming a tenant's schema is one UPDATE of its subscription.
CREATE TABLE memberships (
    user_id       bigint      NOT NULL,
    tenant_schema text        NOT NULL,
    role          text        NOT NULL,
    created_at    timestamptz NOT NULL DEFAULT now(),

    CONSTRAINT memberships_pkey PRIMARY KEY (user_id, tenant_schema),
    CONSTRAINT memberships_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id) ON DELETE CASCADE,
    CONSTRAINT memberships_tenant_schema_fkey
        FOREIGN KEY (tenant_schema) REFERENCES subscriptions (tenant_schema) ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT memberships_role_check CHECK (role IN ('owner', 'manager', 'clerk', 'viewer'))
);

CREATE INDEX memberships_tenant_schema_idx ON memberships (tenant_schema);
