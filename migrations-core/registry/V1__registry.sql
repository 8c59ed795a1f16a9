-- The framework's own tables. They are an index over what every schema's history table says, never the truth itself.

CREATE TABLE sets (
    name text PRIMARY KEY CHECK (name IN ('registry', 'shared')),
    schema_name name NOT NULL,
    schema_oid oid,
    version bigint,
    digest bigint,
    in_flight_version bigint,
    in_flight_statement integer,
    migrated_at timestamptz
);

COMMENT ON TABLE sets IS 'Where the registry itself and the shared schema stand.';
COMMENT ON COLUMN sets.digest IS 'The applied migrations as one number; null: unknown, read the history table.';
COMMENT ON COLUMN sets.in_flight_version IS 'A no-transaction migration that has started and not ended.';

CREATE TABLE tenants (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    schema_name name NOT NULL UNIQUE,
    display_name text,
    metadata jsonb NOT NULL DEFAULT '{}' CHECK (jsonb_typeof(metadata) = 'object'),
    status text NOT NULL DEFAULT 'active' CHECK (status <> ''),
    version bigint,
    digest bigint,
    schema_oid oid,
    in_flight_version bigint,
    in_flight_statement integer,
    created_at timestamptz NOT NULL DEFAULT now(),
    migrated_at timestamptz,
    last_error text
)
-- Room on every page for the row's next version: a run updates each row once, and no index covers what it changes.
WITH (fillfactor = 50);

CREATE INDEX tenants_spare_idx ON tenants (id) WHERE status = 'spare';

COMMENT ON TABLE tenants IS 'Every tenant; the order of ids is the order of runs.';
COMMENT ON COLUMN tenants.digest IS 'The applied migrations as one number; null: unknown, read the history table.';
COMMENT ON COLUMN tenants.schema_oid IS 'Differs from pg_namespace when the schema was dropped, recreated or restored.';

CREATE TABLE tenant_domains (
    domain text PRIMARY KEY CHECK (domain = lower(domain)),
    tenant_id bigint NOT NULL REFERENCES tenants ON DELETE CASCADE,
    is_primary boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX tenant_domains_tenant_id_idx ON tenant_domains (tenant_id);
CREATE UNIQUE INDEX tenant_domains_primary_key ON tenant_domains (tenant_id) WHERE is_primary;

CREATE TABLE runs (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    started_at timestamptz NOT NULL,
    finished_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    role name NOT NULL DEFAULT current_user,
    application text NOT NULL DEFAULT current_setting('application_name'),
    client_address inet DEFAULT inet_client_addr(),
    binary_version text NOT NULL,
    outcome text NOT NULL CHECK (outcome IN ('success', 'partial', 'failure')),
    shared_applied integer NOT NULL,
    created integer NOT NULL,
    migrated integer NOT NULL,
    failed integer NOT NULL,
    busy integer NOT NULL,
    failures text[] NOT NULL
);

COMMENT ON TABLE runs IS 'Every run that had something to do: who, when, and what became of it.';
