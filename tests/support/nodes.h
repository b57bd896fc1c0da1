/* The nodes of a cluster that tests/broker/kafka started with several: which node leads what,
 * ending and freezing nodes, and topics that take no writes. Nodes are numbered from 1 on. A
 * function here that does not work fails the test. */
#ifndef KCA_TESTS_NODES_H
#define KCA_TESTS_NODES_H

/* How many nodes there are, running or not. */
int node_count(void);

/* node_kill ends a node at once, as a crash does; node_restart starts it again, on its ports and
 * data. */
void node_kill(int node);
void node_restart(int node);

/* node_pause freezes a node: connections stay, answers stop; node_continue lets it go on. */
void node_pause(int node);
void node_continue(int node);

/* Brings back every node that was ended or frozen, and waits until all know each other. */
void nodes_heal(void);

/* The node that leads the partition, or coordinates the group; waits until there is one. */
int partition_leader(const char *topic, int partition);
int group_coordinator(const char *group);

/* Waits until all replicas of the partitions 0 .. partitions - 1 are in sync, and led. */
void must_be_in_sync(const char *topic, int partitions);

/* Makes another node lead the partition, in good order: no node ends. */
void partition_move(const char *topic, int partition, int to_node);

/* ---- a topic that takes no writes ----
 * Either its records are too large, whatever their size; or too few of its replicas are in sync. */

/* Make the topic refuse every record for good (MSG_SIZE_TOO_LARGE); and take records again. */
void topic_refuse_records(const char *topic);
void topic_accept_records(const char *topic);

/* Makes a topic that is written to only while all nodes are up: after node_kill or node_pause, and
 * once that is noticed, it refuses writes for the time being (NOT_ENOUGH_REPLICAS), and others go
 * on. */
void topic_create_for_all_nodes(const char *topic, int partitions);

#endif
