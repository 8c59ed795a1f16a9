(
        SELECT known_as AS name, digest = ANY ('{%known%}'::int8[]) AS is_known
        FROM %members%
        WHERE digest IS NOT NULL AND (digest = ANY ('{%known%}'::int8[]) OR version <= %latest%)
            AND NOT %is_spare% AND NOT %is_unfinished%
        ORDER BY id DESC
        LIMIT 100
    )
