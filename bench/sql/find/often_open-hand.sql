SELECT h.id FROM hand AS h WHERE h.custom_data ->> 'zone' = 'north' AND h.status <> 'CLOSED' ORDER BY h.id LIMIT 100;
