"""Files of SDSS and HSC: frames, coadds, PSFs, camera counts, sky."""
