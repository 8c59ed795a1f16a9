DO $migrate$ BEGIN
    IF clock_timestamp() - transaction_timestamp() > interval '%milliseconds% milliseconds' THEN
        RAISE EXCEPTION 'a shared transaction takes too long' USING ERRCODE = '%too_long%';
    END IF;
END $migrate$
