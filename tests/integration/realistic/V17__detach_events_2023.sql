ALTER TABLE events DETACH PARTITION events_2023;
ALTER TABLE events_2023 RENAME TO events_archive;
COMMENT ON TABLE events_archive IS 'kept for the auditors';
