/** Every bound of the engine, named, with the arithmetic. */

export const MIB = 1024 * 1024;

/** Up to here an object is read whole into memory and written in one request. */
export const SMALL_BYTES_MAX = MIB;

/** Small objects in flight by default: enough to hide 100 ms of latency at some hundred objects per second. */
export const SMALL_LANES = 48;

/** Large objects in flight, and parts in flight over all of them. */
export const LARGE_LANES = 4;
export const PARTS_IN_FLIGHT = 8;

/** Content in memory: 48 small objects of 1 MiB at worst, plus streams of a few chunks each. */
export const BYTES_IN_FLIGHT_MAX = 64 * MIB;

/** Segments worked on at once; each holds at most two pages of either side (about 4 × 1,000 × 500 bytes = 2 MB). */
export const SEGMENTS_AT_ONCE = 3;

/** Items of one segment between the oldest unsettled one and the newest planned one. */
export const WINDOW_ITEMS_MAX = 4_000;

/**
 * Keys behind the last commit that a holder of a segment may have moved without leaving a record when it died: its window,
 * and what had settled since that commit.
 */
export const UNRECORDED_ITEMS_MAX = 2 * WINDOW_ITEMS_MAX;

/** Chunks beside the others of a segment for what settled behind an item that still moves; more become one. */
export const AHEAD_CHUNKS_MAX = 16;

/** A later phase with no more units than this is one segment; one with more is cut into pieces of this. */
export const PIECE_ITEMS_MAX = 1_000;

/** The same by the content to be moved. */
export const PIECE_BYTES_MAX = 1024 * MIB;

/** The same of restores: fewer, because a piece waits for the last of them. */
export const PIECE_RESTORES_MAX = 500;

/** Folders to delete in one piece; those that hold folders of another piece wait until all the others are gone. */
export const PIECE_FOLDERS_MAX = 500;

/** Segments into which one stage of a later phase is cut at most; a piece holds more where there is more. */
export const PIECES_MAX = 256;

/** Deletions at once in one process. */
export const DELETIONS_AT_ONCE = 16;

/** Ranges of keys that the first commit of a segment is cut into, for the map of the run. */
export const KEY_SHARES_MAX = 64;

/** A chunk is written when its lines reach this size, or at the latest after this time. */
export const CHUNK_BYTES_MAX = MIB / 2;
export const COMMIT_EVERY_MS = 3_000;

/** Pages of a segment before it may be split for an idle lane. */
export const SPLIT_PAGES_MIN = 3;

/** The same for another worker that has nothing at all. */
export const SPLIT_PAGES_MIN_FOR_OTHERS = 1;

/** What is left of a listing that has come whole is shared with another worker only from so much on. */
export const SHARED_REST_ITEMS_MIN = 64;
export const SHARED_REST_BYTES_MIN = 16 * MIB;

/**
 * Large objects planned ahead in a shared run: what is planned cannot be given away any more. So many of a segment, and
 * so many times what may be in memory (1 GiB by default).
 */
export const LARGE_AHEAD_MIN = 8;
export const LARGE_AHEAD_BUDGETS = 16;

/** Pages asked for to find the key at which a segment is split. */
export const SPLIT_PROBES_MAX = 20;

/** Tries for one item, beyond the retries of single requests. */
export const ITEM_ATTEMPTS_MAX = 4;

/** Tries for one request. */
export const REQUEST_ATTEMPTS_MAX = 6;

/** Entries held back while it is open whether an object's name is also a folder's; then one probe settles it. */
export const HOLD_BACK_MAX = 1_000;

/** Entries sorted in memory before a run is spilled: 50,000 × about 400 bytes = 20 MB. */
export const SORT_ENTRIES_MAX = 50_000;

/** Sorted runs read at once, and of each a piece in memory: 16 × 256 KiB = 4 MiB, however much is sorted. */
export const SORT_RUNS_OPEN_MAX = 16;
export const SORT_PIECE_BYTES = 256 * 1024;

/**
 * Up to so many receipts of an upload in parts are saved whenever one comes; every further one adds so much rest between
 * two savings: 10,000 parts, about 2 MB, are saved every 20 s.
 */
export const RECEIPTS_SAVED_AT_ONCE = 200;
export const RECEIPT_SAVING_MS = 2;

/** A request to begin an upload that was cut off has come to the store after so long, or never does. */
export const BEGIN_LATE_MS = 5_000;

/** Lifetime of an address another store may read from. */
export const REFERENCE_LIFETIME_MS = 60 * 60 * 1_000;

/** Between two looks at an object that is being restored. */
export const RESTORE_POLL_MS = 60_000;

export const PROGRESS_EVERY_MS = 250;

/** An idle lane looks again this often for something to take over from a busy one, and asks the state this often. */
export const IDLE_MS = 50;
export const ASK_AGAIN_MS = 2_000;

/** A worker without work asks for some this often; every few times it asks how the run stands instead. */
export const WAITING_MS = 1_000;
export const LOOK_EVERY_ROUNDS = 3;

/** For so long whoever cut a segment for others claims nothing itself: they ask once in `WAITING_MS`. */
export const YIELD_MS = 2_500;

/** Pieces per lane into which a run that is shared is cut beforehand, where the last one knew its keys. */
export const SHARED_PIECES_PER_LANE = 8;

/** Longest rest between two tries to split a segment in which no cut was found. */
export const SPLIT_REST_MS_MAX = 10_000;

/**
 * So many requests of one kind denied in a row, over all lanes, and the place itself is looked at; each time that it was
 * not the place, twice as many, up to the most. Where fewer come, it is looked at after the wait.
 */
export const DENIED_IN_A_ROW = 8;
export const DENIED_IN_A_ROW_MAX = 1_024;
export const DENIED_WAIT_MS = 1_000;

/** Where objects are gone one after the other, it is looked this often whether their place still is there. */
export const PLACE_LOOK_EVERY_MS = 1_000;

/** No more than this share of the time, where one such look takes long. */
export const PLACE_LOOK_SHARE_MAX = 0.1;

/** A place whose store asks for patience for so long counts as there for now. */
export const PLACE_LOOK_THROTTLED_MS_MAX = 60_000;
