-- Index: none. Whether what was found has the key and the tags that are asked for.
and (:key is null or s.key = :key)
and (
    :tags is null
    or (
        select count(*)
        from json_each(:tags) as wanted
        join json_each(s.tags) as tag on tag.key = wanted.key and tag.value = wanted.value
    ) = :tag_count
)
