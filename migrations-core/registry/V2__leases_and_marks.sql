-- What decides whether a schema may be dropped or given away is a column that only the framework writes. `status` is the
-- application's. Older binaries go on by the status, which is kept in step for them.
ALTER TABLE tenants
    ADD COLUMN is_spare boolean NOT NULL GENERATED ALWAYS AS (starts_with(schema_name::text, '__spare_')) STORED,
    ADD COLUMN in_flight_file bigint,
    ADD COLUMN in_flight_text bigint;

ALTER TABLE sets
    ADD COLUMN in_flight_file bigint,
    ADD COLUMN in_flight_text bigint;

CREATE INDEX tenants_is_spare_idx ON tenants (id) WHERE is_spare;
DROP INDEX tenants_spare_idx;

COMMENT ON COLUMN tenants.is_spare IS 'A spare schema of the warm pool, by its reserved name.';
COMMENT ON COLUMN tenants.in_flight_file IS 'The checksum of the no-transaction migration that has started.';
COMMENT ON COLUMN tenants.in_flight_text IS 'A hash of the statement that has started.';
COMMENT ON COLUMN sets.in_flight_file IS 'The checksum of the no-transaction migration that has started.';
COMMENT ON COLUMN sets.in_flight_text IS 'A hash of the statement that has started.';

-- What a process announces to the others for a limited time: that it wants to change what all tenants share (`shared`), that it
-- fills the warm pool (`pool`). A row that has expired says nothing.
CREATE TABLE leases (
    name text NOT NULL,
    holder text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (name, holder)
);

COMMENT ON TABLE leases IS 'What a process is about to do, until expires_at. A row that has expired says nothing.';
