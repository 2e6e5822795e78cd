"""The statistics of the data that BatchNormalization uses: taken anew, compared, and put back."""
