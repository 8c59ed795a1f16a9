    IF EXISTS (
        SELECT FROM %table% WHERE %row% AND schema_name = %schema%
            AND in_flight_version <> ALL (ARRAY[%later%]::int8[])
            AND (in_flight_statement > 0 OR in_flight_text IS NOT NULL)
    ) THEN
        RAISE EXCEPTION 'a run stopped in the middle of version %, which ran outside a transaction and is not finished',
            (SELECT in_flight_version FROM %table% WHERE %row%)
            USING ERRCODE = '%code%', HINT = %hint%;
    END IF;
