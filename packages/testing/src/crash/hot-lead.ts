/** The lead on which every life of the writer counts. */
export const hotLead = 'the-hot-lead'
