package main

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"berth/shared/hub"
)

// folder is a data folder that this process has to itself.
//
//	berth.lock   held while a hub runs; says which
//	keys.json    the hub's own secrets, 0600
//	…            what the storage keeps
type folder struct {
	path string
	lock *os.File
}

// holder is what the lock says about who has it.
type holder struct {
	PID int    `json:"pid"`
	URL string `json:"url,omitempty"` // where the running hub answers; "" = it does not listen
}

// busyError says that another process has the folder.
type busyError struct {
	path string
	holder
}

func (e *busyError) Error() string {
	who := "another berth"
	if e.PID != 0 {
		who = fmt.Sprintf("the berth with process id %d", e.PID)
	}
	if e.URL != "" {
		who += " at " + e.URL
	}
	return fmt.Sprintf("the data folder %s is in use by %s; stop that one first, or choose another folder with --data", e.path, who)
}

// openFolder makes the folder if need be and locks it. It answers *busyError
// where another process has it.
func openFolder(path string) (*folder, error) {
	if err := makeDir(path); err != nil {
		return nil, fmt.Errorf("the data folder cannot be made: %w", err)
	}
	lock, err := os.OpenFile(filepath.Join(path, "berth.lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("the data folder cannot be written: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		defer lock.Close()
		if !errors.Is(err, syscall.EWOULDBLOCK) {
			return nil, fmt.Errorf("lock %s: %w", lock.Name(), err)
		}
		busy := &busyError{path: path}
		json.NewDecoder(lock).Decode(&busy.holder) // says less where the holder has not written yet
		return nil, busy
	}
	f := &folder{path, lock}
	return f, f.announce("")
}

// announce tells other processes who has the folder and where it answers.
func (f *folder) announce(url string) error {
	b, err := json.Marshal(holder{os.Getpid(), url})
	if err != nil {
		return err
	}
	if err := f.lock.Truncate(0); err != nil {
		return err
	}
	_, err = f.lock.WriteAt(b, 0)
	return err
}

// Close gives the folder up.
func (f *folder) Close() error {
	f.lock.Truncate(0)
	return f.lock.Close()
}

// makeDir makes a folder for this user alone, durably; one that is there is left as it is.
func makeDir(path string) error {
	if _, err := os.Stat(path); err == nil {
		return nil
	}
	if err := os.MkdirAll(path, 0o700); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

func syncDir(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	return d.Sync()
}

// keyFile is keys.json.
type keyFile struct {
	Registry []byte `json:"registry"`
	SDK      []byte `json:"sdk"`
	Seal     []byte `json:"seal"`
}

func (f *folder) keysPath() string { return filepath.Join(f.path, "keys.json") }

// exposed reports whether everybody on the machine may read the hub's secrets, as where
// a copy did not keep the file's mode.
func (f *folder) exposed() bool {
	info, err := os.Stat(f.keysPath())
	return err == nil && info.Mode().Perm()&0o007 != 0
}

// keys reads the hub's secrets, and makes them if fresh says that the folder
// holds no data yet. They are on the disk before anything depends on them.
func (f *folder) keys(fresh bool) (hub.Keys, error) {
	path := f.keysPath()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		if !fresh {
			return hub.Keys{}, fmt.Errorf("%s is missing although the folder holds data: what is sealed with it could not be read; put it back from a copy", path)
		}
		return f.makeKeys(path)
	}
	if err != nil {
		return hub.Keys{}, err
	}
	var k keyFile
	if err := json.Unmarshal(b, &k); err != nil || len(k.Registry) != 32 || len(k.SDK) != 32 || len(k.Seal) != 32 {
		return hub.Keys{}, fmt.Errorf("%s is damaged; put it back from a copy", path)
	}
	return hub.Keys(k), nil
}

func (f *folder) makeKeys(path string) (hub.Keys, error) {
	k := keyFile{make([]byte, 32), make([]byte, 32), make([]byte, 32)}
	for _, key := range [][]byte{k.Registry, k.SDK, k.Seal} {
		rand.Read(key)
	}
	b, err := json.Marshal(k)
	if err != nil {
		return hub.Keys{}, err
	}
	return hub.Keys(k), writeDurably(path, append(b, '\n'))
}

// writeDurably writes a whole file, 0600, so that after a crash there is the old
// one or the new one.
func writeDurably(path string, b []byte) error {
	t, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return err
	}
	defer os.Remove(t.Name())
	if _, err = t.Write(b); err == nil {
		err = t.Sync()
	}
	if err2 := t.Close(); err == nil {
		err = err2
	}
	if err == nil {
		err = os.Rename(t.Name(), path)
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}
