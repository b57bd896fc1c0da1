/* The faults, a function each: the scene is opened before it and closed after it. Their table is in
 * faults.c. */
#ifndef KCA_TESTS_FAULTS_H
#define KCA_TESTS_FAULTS_H

#include "scene.h"

/* member_faults.c */
void members_come_and_go(scene *s);
void a_member_freezes(scene *s);
void librdkafka_is_upgraded(scene *s); /* with the newest in LD_LIBRARY_PATH */
void the_group_protocol_changes(scene *s);

/* publisher_faults.c */
void the_publisher_is_killed(scene *s);

/* asker_faults.c: each message is a question */
void askers_and_answerers_are_killed(scene *s);

/* node_faults.c */
void the_leader_is_killed(scene *s);
void the_leader_freezes(scene *s);
void the_coordinator_is_killed(scene *s);
void the_leaders_move(scene *s);

/* dead_letter_faults.c: some ids are dead-lettered */
void dead_letters_are_refused(scene *s);
void too_few_replicas_take_dead_letters(scene *s); /* their topic is for all nodes */
void a_member_dies_while_dead_letters_are_refused(scene *s);
void the_leader_of_dead_letters_freezes(scene *s);

/* once_faults.c: members pass on what they handle */
void each_is_passed_on_once(scene *s);
void results_are_refused(scene *s);

/* network_faults.c: the scene is through the proxy */
void the_network_is_bad(scene *s);

/* mixed_faults.c: through the proxy, too, and some ids are dead-lettered */
void things_go_wrong_at_once(scene *s);

#endif
