-- A tenant's name and its schema's are two things. The column is not called `name`: queries of older binaries use that word
-- for a column of their own beside this table. Older binaries go on inserting rows without a name.
ALTER TABLE tenants
    ADD COLUMN tenant_name text CHECK (tenant_name <> '');

CREATE UNIQUE INDEX tenants_tenant_name_key ON tenants (coalesce(tenant_name, schema_name::text));

COMMENT ON COLUMN tenants.tenant_name IS 'What the application calls the tenant; null: it has the name of its schema.';
