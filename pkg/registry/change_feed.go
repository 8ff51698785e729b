package registry

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

const (
	maxRecent    = 256         // changes that a feed keeps
	keepIdleFeed = time.Minute // readers that come back in this time need no query
)

// changeFeeds have the last changes of the workspaces in which readers wait.
type changeFeeds struct {
	needed    chan struct{} // closed when there has been a feed
	need      sync.Once     // closes it
	wake      chan struct{} // has a value if a feed is behind
	listening atomic.Bool   // the database tells when there are changes

	swept  time.Time // when changes that are not numbered were last looked for
	polled time.Time // when the ends of all feeds were last compared

	mu    sync.Mutex
	feeds map[string]*changeFeed // by workspace
}

// changeFeed has the last changes of a workspace.
type changeFeed struct {
	base    ChangePosition // before the first of changes
	changes []Change       // consecutive
	read    bool           // base is a position in the database
	behind  bool           // there may be changes that it does not have
	moved   chan struct{}  // closed when it gets changes, or is dropped
	readers int            // that wait
	used    time.Time      // when the last reader left
}

func newChangeFeeds() *changeFeeds {
	return &changeFeeds{needed: make(chan struct{}), wake: make(chan struct{}, 1), feeds: map[string]*changeFeed{}}
}

// end is the position after the last change that the feed has.
func (f *changeFeed) end() ChangePosition {
	if n := len(f.changes); n > 0 {
		return f.changes[n-1].Position()
	}
	return f.base
}

// enter makes the caller a reader that waits for changes after a position. It returns nil
// if there are some already.
func (fs *changeFeeds) enter(workspace string, after ChangePosition) (feed *changeFeed, moved <-chan struct{}) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	feed = fs.feeds[workspace]
	if feed != nil && feed.end().Number == after.Number && feed.end() != after {
		fs.remove(workspace) // the database has another history than when the feed was read
		feed = nil
	}
	if feed == nil {
		fs.need.Do(func() { close(fs.needed) })
		feed = &changeFeed{base: after, moved: make(chan struct{})}
		fs.feeds[workspace] = feed
		fs.fallBehind(feed)
	}
	switch end := feed.end().Number; {
	case after.Number < end:
		return nil, nil
	case after.Number > end:
		fs.fallBehind(feed)
	}
	feed.readers++
	return feed, feed.moved
}

func (fs *changeFeeds) leave(feed *changeFeed) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	feed.readers--
	feed.used = time.Now()
}

// look makes the feeds of workspaces look for changes.
func (fs *changeFeeds) look(workspaces ...string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for _, workspace := range workspaces {
		if feed := fs.feeds[workspace]; feed != nil {
			fs.fallBehind(feed)
		}
	}
}

// compare makes the feeds look that do not end with the last changes of their workspaces.
func (fs *changeFeeds) compare(ends map[string]string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for workspace, feed := range fs.feeds {
		if feed.end().ID != ends[workspace] {
			fs.fallBehind(feed)
		}
	}
}

func (fs *changeFeeds) fallBehind(feed *changeFeed) {
	feed.behind = true
	select {
	case fs.wake <- struct{}{}:
	default:
	}
}

// dropIdle removes the feeds that nobody uses.
func (fs *changeFeeds) dropIdle() {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	for workspace, feed := range fs.feeds {
		if feed.readers == 0 && time.Since(feed.used) > keepIdleFeed {
			fs.remove(workspace)
		}
	}
}

// drop removes a feed, and wakes its readers.
func (fs *changeFeeds) drop(workspace string) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	fs.remove(workspace)
}

func (fs *changeFeeds) remove(workspace string) {
	if feed := fs.feeds[workspace]; feed != nil {
		close(feed.moved)
		delete(fs.feeds, workspace)
	}
}

// workspaces returns the workspaces of all feeds.
func (fs *changeFeeds) workspaces() []string {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	return slices.Collect(maps.Keys(fs.feeds))
}

// catchUp returns the end of a feed if it is behind; after that it is not.
func (fs *changeFeeds) catchUp(workspace string) (end ChangePosition, behind bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	feed := fs.feeds[workspace]
	if feed == nil || !feed.behind {
		return end, false
	}
	feed.behind = false
	return feed.end(), true
}

// add adds changes that were read after the end of a feed, and wakes its readers.
func (fs *changeFeeds) add(workspace string, changes []Change) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	feed := fs.feeds[workspace]
	if feed == nil || len(changes) > 0 && changes[0].Number != feed.end().Number+1 { // dropped meanwhile
		return
	}
	feed.read = true
	if len(changes) == 0 {
		return
	}
	feed.behind = feed.behind || len(changes) == maxRecent
	feed.changes = append(feed.changes, changes...)
	if more := len(feed.changes) - maxRecent; more > 0 {
		feed.base = feed.changes[more-1].Position()
		feed.changes = slices.Clone(feed.changes[more:])
	}
	close(feed.moved)
	feed.moved = make(chan struct{})
}

// recent returns up to limit changes after a position, and whether they are known: a feed
// that has been read knows what comes after each position in it. After its end, nothing
// does until it has read more.
func (fs *changeFeeds) recent(workspace string, after ChangePosition, limit int) (changes []Change, known bool) {
	fs.mu.Lock()
	defer fs.mu.Unlock()
	feed := fs.feeds[workspace]
	if feed == nil || !feed.read {
		return nil, false
	}
	i := after.Number - feed.base.Number
	if i < 0 || i > int64(len(feed.changes)) || i == 0 && feed.base != after || i > 0 && feed.changes[i-1].Position() != after {
		return nil, false
	}
	changes = feed.changes[i:]
	return slices.Clip(changes[:min(limit, len(changes))]), true
}
