-- Makes the jobs of apps that were removed while nobody told.
-- Parameters: none.
-- Result: apps int.
select harpsweep.reconcile() as apps
