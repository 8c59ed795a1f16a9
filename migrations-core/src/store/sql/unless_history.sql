    IF EXISTS (
        SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname = %schema% AND c.relname = %table%
    ) THEN
        IF (
            SELECT coalesce(string_agg(concat_ws(' ', version, name, checksum), E'\n' ORDER BY version), '')
            FROM %history%
        ) <> convert_from(decode('%expected%', 'hex'), 'UTF8') THEN
            RAISE EXCEPTION 'the history has changed' USING ERRCODE = '%out_of_date%';
        END IF;
    ELSIF '%expected%' <> '' THEN
        RAISE EXCEPTION 'the history is gone' USING ERRCODE = '%out_of_date%';
    END IF;
