CREATE INDEX events_payload ON ONLY events USING gin (payload jsonb_path_ops);
CREATE INDEX events_2024_payload ON events_2024 USING gin (payload jsonb_path_ops);
ALTER INDEX events_payload ATTACH PARTITION events_2024_payload;
