DELETE FROM %leases% WHERE name = 'unfinished' AND holder = %hidden%
