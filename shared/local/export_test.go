package local

// OpenSmall opens records whose journals are as small as can be, so that the
// database takes over something all the time.
func OpenSmall(disk Disk, path string) (*Records, error) { return open(disk, path, 2*blockSize) }
