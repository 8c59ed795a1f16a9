DO $migrate$ %declare%BEGIN
    IF NOT pg_try_advisory_xact_lock(%fleet%) THEN
        RAISE EXCEPTION 'another run holds the fleet lock' USING ERRCODE = '%fleet_busy%';
    END IF;
    IF %stale% THEN
        RAISE EXCEPTION 'the plan is out of date' USING ERRCODE = '%out_of_date%';
    END IF;
%body%END $migrate$
