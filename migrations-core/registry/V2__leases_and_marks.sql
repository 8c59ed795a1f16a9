-- What is half done is known by text, not by number.
ALTER TABLE tenants
    ADD COLUMN in_flight_file bigint,
    ADD COLUMN in_flight_text bigint;

ALTER TABLE sets
    ADD COLUMN in_flight_file bigint,
    ADD COLUMN in_flight_text bigint;

COMMENT ON COLUMN tenants.in_flight_file IS 'The checksum of the no-transaction migration that has started.';
COMMENT ON COLUMN tenants.in_flight_text IS 'A hash of the statement that has started.';
COMMENT ON COLUMN sets.in_flight_file IS 'The checksum of the no-transaction migration that has started.';
COMMENT ON COLUMN sets.in_flight_text IS 'A hash of the statement that has started.';

-- A spare schema is known by its reserved name, which only the framework gives. `status` is the application's: older binaries
-- go by it still, so that it is kept in step for them, and nothing else does.
DROP INDEX tenants_spare_idx;

-- What a process announces to the others for a limited time: that it wants to change what all tenants share (`shared`), that it
-- fills the warm pool (`pool`), that it makes a new tenant in several transactions (`unfinished`). A row that has expired says nothing.
CREATE TABLE leases (
    name text NOT NULL,
    holder text NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (name, holder)
);

COMMENT ON TABLE leases IS 'What a process is about to do, until expires_at. A row that has expired says nothing.';
