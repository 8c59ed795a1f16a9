EXISTS (
        SELECT FROM %leases% WHERE name = 'unfinished' AND holder = %hidden% AND expires_at > clock_timestamp()
    )
