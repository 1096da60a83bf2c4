// Package local keeps records and layers on one machine: records in a bbolt
// database, layers as files of a directory. What a call has acknowledged survives a
// kill of the process and a power cut.
package local
