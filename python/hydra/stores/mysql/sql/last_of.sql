-- Index: that of the list. How many it has, and which is the last.
with walked (id) as ({list})
select count(*), {last}(id)
from walked
