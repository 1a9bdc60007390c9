-- Images that wait lie in blobs with others now (`objects.Part`). Those from before cannot be read:
-- their series end here, and open anew when they are sent again. The sweeper takes their objects.
update series set state = 'refused', code = 'staged_before_update', message = 'send it again'
where state in ('arriving', 'unassigned') and exists (
    select from image where image.series_key = series.series_key and not object ? 'at'
);
delete from image using series
where image.series_key = series.series_key and code = 'staged_before_update';
