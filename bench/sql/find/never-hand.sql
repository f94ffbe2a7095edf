SELECT h.id FROM hand AS h WHERE h.custom_data ->> 'zone' = 'south' AND h.custom_data ->> 'express' = 'true' ORDER BY h.id LIMIT 100;
